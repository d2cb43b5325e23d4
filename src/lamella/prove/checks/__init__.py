"""One check a file; found by walking this package.

A check module has ``NAME``, the word under which its differences are told, and one of three functions:

- ``compare_entries(a: Entry, b: Entry) -> tuple[str, str] | None`` sees one path that both trees have;
- ``compare_trees(a: Tree, b: Tree) -> Iterable[Difference]`` sees both trees, for what lies between paths;
- ``compare_configs(a: ImageConfig, b: ImageConfig) -> Iterable[Difference]`` sees both configs.
"""
