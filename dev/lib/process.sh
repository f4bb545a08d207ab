# shellcheck shell=bash
# Background processes: started in a session of their own, remembered by pid and start time.

# birth PID: tells this process from a later one with the same number; fails when it is gone or a zombie
birth() {
  local stat
  { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
  read -ra stat <<<"${stat##*) }" # the name before it may contain spaces
  [[ ${stat[0]} != [ZX] ]] || return 1
  printf '%s\n' "${stat[19]}"
}

# alive PID BIRTH
alive() { [[ -n ${2:-} && $(birth "$1") == "$2" ]]; }

# start NAME COMMAND...: its log is log/NAME.log
start() {
  local name=$1 pid
  shift
  setsid "$@" >>"$STATE/log/$name.log" 2>&1 </dev/null 9>&- &
  pid=$!
  disown "$pid"
  printf '%s %s\n' "$pid" "$(birth "$pid")" >"$STATE/run/$name.pid"
}

pid_of() {
  local pid born
  [[ -f $STATE/run/$1.pid ]] && read -r pid born <"$STATE/run/$1.pid" && alive "$pid" "$born" && printf '%s\n' "$pid"
}

running() { pid_of "$1" >/dev/null; }

# end_process PID GRACE: TERM, then KILL when the grace is over; returns when it is gone
end_process() {
  local pid=$1 grace=$2 born
  born=$(birth "$pid") || return 0
  kill "$pid" 2>/dev/null || true
  until_true "$grace" gone "$pid" "$born" && return 0
  kill -KILL "$pid" 2>/dev/null || true
  until_true 10 gone "$pid" "$born" || warn "process $pid does not end"
}

gone() { ! alive "$1" "$2"; }

# stop NAME [GRACE]
stop() {
  local pid
  if pid=$(pid_of "$1"); then end_process "$pid" "${2:-15}"; fi
  rm -f "$STATE/run/$1.pid"
}

# await SECONDS NAME COMMAND...: until the command succeeds; gives up at once when the process has ended
await() {
  local end=$((SECONDS + $1)) name=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    running "$name" || failed "$name ended"
    ((SECONDS < end)) || failed "$name did not come up in time"
    sleep 0.1
  done
}

# Kubernetes' programs print every stack after the line that tells why they end.
failed() {
  local log=$STATE/log/${1%% *}.log
  [[ ! -f $log ]] || { grep -E '^F[0-9]{4} ' "$log" || tail -n 15 "$log"; } | sed 's/^/       /' >&2
  die "$1: see $log"
}

# port_for NAME HOST PORT VARIABLE: refuses to start beside a stranger
port_for() {
  ! port_taken "$2" "$3" || die "port $3 on $2 is taken, $1 needs it: end who has it, or set $4"
}

# Processes whose command line names our state directory and whose program is one that dockerd leaves behind.
stragglers() {
  local dir pid
  for dir in /proc/[0-9]*; do
    pid=${dir#/proc/}
    [[ $(readlink "$dir/exe" 2>/dev/null) =~ /(containerd|containerd-shim.*|docker-proxy|runc)$ ]] || continue
    if tr '\0' '\n' <"$dir/cmdline" 2>/dev/null | grep -qF "$STATE/engine/"; then printf '%s\n' "$pid"; fi
  done
}
