"""`python -m scalr_tasks.cli`, and what the command `scalr-tasks` calls."""

from scalr_tasks.cli.app import main

if __name__ == "__main__":
    main()
