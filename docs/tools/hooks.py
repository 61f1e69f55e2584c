"""Hooks of mkdocs: the pages that are generated from sources rather than written.

reference/go.md is what docs/tools/godoc prints of the Go package's comments; scripts/docs has it
made before, so that this only reads a file.
"""

from __future__ import annotations

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

GENERATED = {"reference/go.md": "build/docs/go.md"}


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Adds the generated pages."""
    root = Path(config.config_file_path).parent
    for page, made in GENERATED.items():
        files.append(File.generated(config, page, content=(root / made).read_text(encoding="utf-8")))
    return files
