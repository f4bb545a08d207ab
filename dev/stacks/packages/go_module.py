"""Serves Debian's source of a Go module as a module proxy does: https://go.dev/ref/mod#goproxy-protocol"""

import json
import pathlib
import zipfile

MODULE, VERSION = "github.com/google/uuid", "v1.3.0"
source = pathlib.Path("/usr/share/gocode/src") / MODULE
target = pathlib.Path("/srv/packages/go") / MODULE / "@v"

target.mkdir(parents=True)
(target / "list").write_text(VERSION + "\n")
(target / f"{VERSION}.info").write_text(json.dumps({"Version": VERSION, "Time": "2021-07-12T00:00:00Z"}))
(target / f"{VERSION}.mod").write_text(f"module {MODULE}\n")
with zipfile.ZipFile(target / f"{VERSION}.zip", "w") as archive:
    for path in sorted(source.rglob("*.go")):
        archive.write(path, f"{MODULE}@{VERSION}/{path.relative_to(source)}")
    archive.writestr(f"{MODULE}@{VERSION}/go.mod", f"module {MODULE}\n")
