"""The command line: one verb a file, errors on one line, data on stdout, logs on stderr."""
