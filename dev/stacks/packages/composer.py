"""Serves Debian's copy of psr/log as a Composer repository: packages.json and an archive. The container fills in its address."""

import json
import pathlib
import zipfile

NAME, VERSION = "psr/log", "1.1.4"
source = pathlib.Path("/usr/share/php/Psr/Log")
target = pathlib.Path("/srv/packages/composer")

target.mkdir(parents=True)
with zipfile.ZipFile(target / "log.zip", "w") as archive:
    for path in sorted(source.rglob("*.php")):
        archive.write(path, f"log/Psr/Log/{path.relative_to(source)}")
package = {
    "name": NAME,
    "version": VERSION,
    "type": "library",
    "dist": {"type": "zip", "url": "@ADDRESS@/composer/log.zip"},
    "autoload": {"psr-4": {"Psr\\Log\\": "Psr/Log/"}},
}
(target / "packages.json").write_text(json.dumps({"packages": {NAME: {VERSION: package}}}))
