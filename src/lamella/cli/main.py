"""The entry point. What can be answered at once is answered before anything is imported."""

import gc
import sys

# Imports make tens of thousands of objects and no garbage: looking for some ten times on the way costs 20 ms.
gc.set_threshold(100_000, 50, 50)


def main(argv: list[str] | None = None) -> int:
    """Returns the exit code: 0 yes, 1 no, 2 bad usage or input, 3 the machine cannot, 130 interrupted."""
    arguments = sys.argv[1:] if argv is None else argv
    if argv is None and _streams_are_odd():
        from lamella.cli.streams import mend

        mend()
    if arguments[:1] in (["--version"], ["-V"]):
        from lamella import __version__

        print(f"lamella {__version__}")
        return 0
    if arguments[:1] == ["build"]:
        from lamella.cli.replay import replay

        try:
            if replay(arguments[1:]):
                return 0
        except (KeyboardInterrupt, BrokenPipeError) as error:
            from lamella.cli.dispatch import stopped

            return stopped(error)
    from lamella.cli.dispatch import dispatch

    return dispatch(arguments)


def _streams_are_odd() -> bool:
    streams = (sys.stdin, sys.stdout, sys.stderr)
    return sys.getfilesystemencoding() != "utf-8" or any(one is None or one.encoding != "utf-8" for one in streams)


if __name__ == "__main__":
    sys.exit(main())
