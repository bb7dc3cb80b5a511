"""The venue of ``docs/new-venue.md``: the page's code blocks, put together."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "new-venue.md"
SOURCE = "\n".join(re.findall(r"^```python\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL))

toy = ModuleType("toy_venue")
exec(compile(SOURCE, str(GUIDE), "exec", dont_inherit=True), toy.__dict__)  # noqa: S102 (our own page)
