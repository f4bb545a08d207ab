# shellcheck shell=bash
# Background processes, each in a session of its own and identified by pid and start time.

# start_time PID: prints the process's start time, which distinguishes it from a later process with the same pid; fails if the process
# has ended or is a zombie
start_time() {
  local stat
  { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
  read -ra stat <<<"${stat##*) }" # the name before it may contain spaces
  [[ ${stat[0]} != [ZX] ]] || return 1
  printf '%s\n' "${stat[19]}"
}

# is_alive PID START_TIME
is_alive() { [[ -n ${2:-} && $(start_time "$1") == "$2" ]]; }

# start NAME COMMAND...: starts a background process that logs to log/NAME.log
start() {
  local name=$1 pid
  shift
  setsid "$@" >>"$STATE/log/$name.log" 2>&1 </dev/null 9>&- &
  pid=$!
  disown "$pid"
  printf '%s %s\n' "$pid" "$(start_time "$pid")" >"$STATE/run/$name.pid"
}

pid_of() {
  local pid started
  [[ -f $STATE/run/$1.pid ]] && read -r pid started <"$STATE/run/$1.pid" && is_alive "$pid" "$started" && printf '%s\n' "$pid"
}

is_running() { pid_of "$1" >/dev/null; }

# end_process PID GRACE: sends SIGTERM, and SIGKILL after GRACE seconds; returns when the process has ended
end_process() {
  local pid=$1 grace=$2 started
  started=$(start_time "$pid") || return 0
  kill "$pid" 2>/dev/null || true
  wait_until "$grace" has_ended "$pid" "$started" && return 0
  kill -KILL "$pid" 2>/dev/null || true
  wait_until 10 has_ended "$pid" "$started" || warn "process $pid did not end after SIGKILL"
}

has_ended() { ! is_alive "$1" "$2"; }

# stop NAME [GRACE]
stop() {
  local pid
  if pid=$(pid_of "$1"); then end_process "$pid" "${2:-15}"; fi
  rm -f "$STATE/run/$1.pid"
}

# await_ready SECONDS NAME COMMAND...: repeats the command until it succeeds; fails after SECONDS, or at once if process NAME ends
await_ready() {
  local end=$((SECONDS + $1)) name=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    is_running "$name" || fail_start "$name exited during its start"
    ((SECONDS < end)) || fail_start "$name did not become ready in time"
    sleep 0.1
  done
}

# Kubernetes programs print all stacks after the line with the fatal error, so this prints only that line if there is one.
fail_start() {
  local log=$STATE/log/${1%% *}.log
  [[ ! -f $log ]] || { grep -E '^F[0-9]{4} ' "$log" || tail -n 15 "$log"; } | sed 's/^/       /' >&2
  die "$1: see $log"
}

# check_port NAME HOST PORT VARIABLE: fails if another process listens on the port
check_port() {
  ! is_port_taken "$2" "$3" || die "port $3 on $2 is in use, and $1 needs it: stop the process that listens on it, or set $4"
}

# Lists processes that dockerd left behind: their program is one of dockerd's, and their command line names the state directory.
engine_leftovers() {
  local dir pid
  for dir in /proc/[0-9]*; do
    pid=${dir#/proc/}
    [[ $(readlink "$dir/exe" 2>/dev/null) =~ /(containerd|containerd-shim.*|docker-proxy|runc)$ ]] || continue
    if tr '\0' '\n' <"$dir/cmdline" 2>/dev/null | grep -qF "$STATE/engine/"; then printf '%s\n' "$pid"; fi
  done
}
