"""Two images, and what differs between them: the checks, the noise, the verdict.

``compare`` holds the comparison, ``checks/`` one check a file (found by walking), ``open`` reads an image of the
store, ``as_text``, ``as_json`` and ``as_markdown`` say the verdict.
"""
