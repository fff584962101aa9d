"""`python -m scalr_tasks.worker MODULE`: the same as `scalr-tasks worker MODULE`."""

import sys

from scalr_tasks.cli.app import main

if __name__ == "__main__":
    main(["worker", *sys.argv[1:]])
