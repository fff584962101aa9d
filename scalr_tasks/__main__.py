"""`python -m scalr_tasks`: the same as the command `scalr-tasks`."""

from scalr_tasks.cli.app import main

if __name__ == "__main__":
    main()
