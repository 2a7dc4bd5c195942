#!/usr/bin/env bash
# Runs every test and bench of this bundle on this machine and writes one JSON file, and what single instructions gave: card.golden.
#
#   run.sh [--device cuda|emulated] [--results FOLDER] [--no-benches] [--no-sanitizer]
#
# --device cuda      (default) needs an NVIDIA driver, and fails without one
# --device emulated  runs the same programs on the PTX emulator, and again through the drop-in driver; needs no GPU
# --results FOLDER   logs, criterion's data, card.golden and results.json (default: results-TIME here)
set -u
here=$(cd "$(dirname "$0")" && pwd)
device=cuda results= benches=1 sanitizer=1
while [ $# -gt 0 ]; do
  case $1 in
    --device) device=${2:-}; shift ;;
    --results) results=${2:-}; shift ;;
    --no-benches) benches=0 ;;
    --no-sanitizer) sanitizer=0 ;;
    *) sed -n '2,8p' "$0"; exit 2 ;;
  esac
  shift
done
case $device in
  cuda)
    if ! command -v nvidia-smi >/dev/null || ! nvidia-smi -L >/dev/null 2>&1; then
      echo "no NVIDIA driver answers here; --device emulated needs none"; exit 2
    fi ;;
  emulated) export CUDA_VISIBLE_DEVICES= ;;
  *) echo "--device is cuda or emulated, not '$device'"; exit 2 ;;
esac
results=${results:-$here/results-$(date -u +%Y%m%dT%H%M%SZ)}
mkdir -p "$results/logs" || exit 2
results=$(cd "$results" && pwd)
cd "$results" || exit 2
programs=$results/programs
trap 'rm -rf "$programs"' EXIT
mkdir -p "$programs" && tar -xzf "$here/programs.tar.gz" -C "$programs" || exit 2
export CRITERION_HOME=$results/criterion WARPSMITH_DEVICE=$device WARPSMITH_EMULATED_DRIVER=$programs/emulated-driver

json() { printf '"%s"' "$(printf '%s' "$1" | tr '\t\r\n' '   ' | sed 's/\\/\\\\/g; s/"/\\"/g')"; }
smi() { if [ "$device" = cuda ]; then json "$(nvidia-smi --query-gpu="$1" --format=csv,noheader 2>/dev/null | head -n 1)"; else echo null; fi; }

# times LOG: criterion's lines as JSON strings, each with its bench id, which stands on a line of its own where it is long.
times() {
  local line id= separator=
  while IFS= read -r line; do
    case $line in
      *time:*\[*) printf '%s%s' "$separator" "$(json "$(case $line in ' '*) echo "$id $line" ;; *) echo "$line" ;; esac | tr -s ' ')")"; separator=', ' ;;
      [!\ ]*) id=$line ;;
    esac
  done <"$1"
}

failures=0 rows=
# program NAME KIND COMMAND...: runs it, keeps its log, and adds a row.
program() {
  local name=$1 kind=$2 start end status log extra=
  shift 2
  log=$results/logs/$kind-$name.log start=$(date +%s%N)
  "$@" >"$log" 2>&1 </dev/null
  status=$? end=$(date +%s%N)
  local seconds=$(((end - start) / 1000000))
  seconds=$((seconds / 1000)).$(printf '%03d' $((seconds % 1000)))
  case $kind in
    bench) extra=", \"times\": [$(times "$log")]" ;;
    golden) extra=", \"result\": $(json "$(tail -n 1 "$log")")" ;;
    *) extra=", \"result\": $(json "$(grep '^test result:' "$log" | tail -n 1)")" ;;
  esac
  rows="$rows${rows:+,}
    {\"kind\": \"$kind\", \"name\": $(json "$name"), \"status\": $status, \"seconds\": $seconds$extra}"
  if [ $status -eq 0 ]; then
    printf 'ok      %-9s %-24s %9s s\n' "$kind" "$name" "$seconds"
  else
    failures=$((failures + 1))
    printf 'FAILED  %-9s %-24s %9s s   %s\n' "$kind" "$name" "$seconds" "$log"
    tail -n 30 "$log"
  fi
}

for test in "$programs"/tests/*; do
  program "$(basename "$test")" test "$test"
done
if [ "$device" = emulated ]; then
  # The same programs once more, with a driver that is the emulator: cuda.rs and cudarc run.
  for test in "$programs"/tests/*; do
    program "$(basename "$test")" driver \
      env -u CUDA_VISIBLE_DEVICES WARPSMITH_DEVICE=cuda LD_LIBRARY_PATH="$WARPSMITH_EMULATED_DRIVER" "$test"
  done
elif [ $sanitizer = 1 ] && command -v compute-sanitizer >/dev/null; then
  for test in "$programs"/tests/*; do
    for tool in memcheck racecheck; do
      program "$(basename "$test")" "$tool" compute-sanitizer --tool "$tool" --error-exitcode 86 "$test" --test-threads=1
    done
  done
fi
# What each instruction gives here, and whether the emulator gives the same (emulator/golden/README.md).
if [ "$device" = emulated ]; then
  program record golden env -u CUDA_VISIBLE_DEVICES PTX_EMULATOR_MODEL=sm_90 LD_LIBRARY_PATH="$WARPSMITH_EMULATED_DRIVER" "$programs/golden" record card.golden
else
  program record golden "$programs/golden" record card.golden
fi
program compare golden "$programs/golden" compare card.golden
if [ $benches = 1 ]; then
  for bench in "$programs"/benches/*; do
    program "$(basename "$bench")" bench "$bench" --bench
  done
fi

cat >results.json <<END
{
  "commit": $(json "$(cat "$here/commit")"),
  "date": $(json "$(date -u +%Y-%m-%dT%H:%M:%SZ)"),
  "device": $(json "$device"),
  "host": $(json "$(uname -srm)"),
  "card": $(smi name),
  "driver": $(smi driver_version),
  "compute_capability": $(smi compute_cap),
  "clocks": {"sm": $(smi clocks.sm), "sm_max": $(smi clocks.max.sm), "memory": $(smi clocks.mem), "memory_max": $(smi clocks.max.mem)},
  "power_limit": $(smi power.limit),
  "ecc": $(smi ecc.mode.current),
  "failures": $failures,
  "programs": [$rows
  ]
}
END
echo "$failures failures; $results/results.json"
[ $failures -eq 0 ]
