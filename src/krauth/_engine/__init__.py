"""One token, one refresh at a time, for every thread, task and process. `source` is the place to begin reading."""
