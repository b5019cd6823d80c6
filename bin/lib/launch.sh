# Sourced by the programs in bin/: makes `.venv` on first use, then runs. POSIX shell, and no Python until it is needed:
# once set up, a program starts after one comparison of two files. Expects `root`, the project's folder.

lib=$root/bin/lib
venv_python=$root/.venv/bin/python
PYTHONSAFEPATH=1 # a folder named like a library, where the user happens to stand, is not that library (Python >= 3.11)
export PYTHONSAFEPATH

# is_ready LOCK...: the environment was last made from these locks as they are now.
is_ready() {
    [ -x "$venv_python" ] || return 1
    for lock in "$@"; do
        cmp -s "$root/locks/$lock.lock" "$root/.venv/stamps/$lock.lock" || return 1
    done
}

# asks_for_help ARGUMENT...: -h or --help is among them, before any `--`.
asks_for_help() {
    for argument in "$@"; do
        case $argument in
        -h | --help) return 0 ;;
        --) return 1 ;;
        esac
    done
    return 1
}

# fits PYTHON: it runs, has a version that the locks cover, and can make a virtual environment. Else prints why not.
fits() {
    "$1" -E -c '
import sys
if not (3, 10) <= sys.version_info[:2] <= (3, 13):
    sys.exit("is Python %d.%d" % sys.version_info[:2])
try:
    import ensurepip, venv
except ImportError:
    sys.exit("lacks venv (on Debian and Ubuntu: apt-get install python%d.%d-venv)" % sys.version_info[:2])
' </dev/null 2>&1
}

# find_python: sets `python` to the first that fits, by preference of version, then by the order of PATH. A name that is on
# PATH and does not run (a pyenv shim of a version that is not active) is passed over, and may still be met further on.
find_python() {
    rejected=
    if [ -n "${PORT_WORKER_PYTHON:-}" ]; then
        python=$PORT_WORKER_PYTHON
        reason=$(fits "$python") && return 0
        rejected="  PORT_WORKER_PYTHON=$python: ${reason:-does not run}"
        return 1
    fi
    for name in python3.11 python3.10 python3.12 python3.13 python3 python; do
        rest=$PATH:
        while [ -n "$rest" ]; do
            python=${rest%%:*}/$name
            rest=${rest#*:}
            [ -f "$python" ] && [ -x "$python" ] || continue
            reason=$(fits "$python") && return 0
            case $reason in
            is* | lacks*) ;;
            *) reason="does not run" ;;
            esac
            rejected="$rejected${rejected:+
}  $python $reason"
        done
    done
    return 1
}

need_python() {
    find_python && return
    {
        echo "$program: no fitting Python. Needed: Python 3.11 (3.10, 3.12 and 3.13 work too), with its venv module."
        [ -z "$rejected" ] || printf 'Looked at:\n%s\n' "$rejected"
        echo "Install one, or name one: PORT_WORKER_PYTHON=/path/to/python3.11 bin/$program"
    } >&2
    exit 1
}

# set_up PROFILE: returns once `.venv` holds what the profile's lock says. Standard input and output stay the program's own.
set_up() {
    case $1 in
    graph) is_ready dev graph ;;
    *) is_ready "$1" ;;
    esac && return
    need_python
    "$python" -E "$lib/environment.py" "$1" </dev/null >&2 || exit
}

# launch SUBCOMMAND ARGUMENT...: a subcommand of port_worker, which needs `$profile`: `train` where it is not set.
launch() {
    profile=${profile:-train}
    if ! is_ready "$profile" && asks_for_help "$@"; then
        need_python
        PYTHONPATH=$root exec "$python" -m port_worker "$@"
    fi
    set_up "$profile"
    exec "$venv_python" -m port_worker "$@"
}
