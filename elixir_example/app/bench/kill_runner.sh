#!/bin/sh
# Kills the BEAM of a runner, any of those of the loopback backend, as a machine goes that is lost. Says which.
#
#     bench/kill_runner.sh [FOLDER]
#
# FOLDER is where runners have theirs: RUNNERS_DIR, or sekai_runners in the folder for temporary files.

folder=${1:-${RUNNERS_DIR:-${TMPDIR:-/tmp}/sekai_runners}}

running() {
    for file in "$folder"/*/runner.pid; do
        [ -f "$file" ] && pid=$(cat "$file") && kill -0 "$pid" 2>/dev/null && echo "$pid ${file%/runner.pid}"
    done
}

victim=$(running | awk 'BEGIN { srand() } { line[NR] = $0 } END { if (NR) print line[int(rand() * NR) + 1] }')

if [ -z "$victim" ]; then
    echo "no runner in $folder" >&2
    exit 1
fi

kill -KILL "${victim%% *}" && echo "killed ${victim##*/} (pid ${victim%% *})"
