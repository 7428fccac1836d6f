"""Flags, a help text and one line for a user's error: shared by all entry points."""

import functools
import gc
import os
import re
import select
import sys
from collections.abc import Callable, Mapping, Sequence
from logging import CRITICAL, getLogger
from pathlib import Path
from typing import Any, NoReturn

from absl import app, flags, logging

from tsmu_jax import machine, stopping, words
from tsmu_jax.errors import UserError

READER_GONE = 141  # the exit code that shells give a program whose reader has gone
_OURS = str(Path(__file__).parent)


def run(main: Callable[[Sequence[str]], None], description: str, *, commands: Sequence[str] = ()) -> None:
    """Parses flags and runs `main`; wrong input ends in one line on standard error and exit code 2.

    Args:
      description: what `--help` says before the flags.
      commands: words of which the first argument must be one, for programs that do several things.
    """

    def parse(argv: Sequence[str]) -> list[str]:
        if any(word in ("--help", "-h", "-help", "--helpfull", "--helpshort") for word in argv[1:]):
            print(f"{description.strip()}\n\nFlags:\n{_main_flags()}", flush=True)
            sys.exit(0)
        return _parse(argv, commands)

    def flushed(argv: Sequence[str]) -> None:
        main(argv)
        sys.stdout.flush()  # here, where a reader who has gone is no error

    collect_rarely()
    stopping.install()
    _hush_libraries()
    try:
        app.run(flushed, flags_parser=parse)
    except UserError as error:
        _refuse(str(error))
    except BrokenPipeError:
        if not _nobody_reads():
            raise
        sys.exit(READER_GONE)
    except Exception as error:
        explained = machine.explained(error, place=_place(), config=_config())
        if explained is None:
            raise
        _refuse(explained)
    except stopping.Stopped as stop:
        stopping.say(str(stop))
        sys.exit(128 + stop.number)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from what is finished", file=sys.stderr)
        sys.exit(130)


@functools.cache  # hooks add up
def _hush_libraries() -> None:
    """Keeps to one line for one error: libraries narrate each file they write, and report what they also raise."""
    logging.set_verbosity(logging.WARNING)
    logging.get_absl_logger().addFilter(lambda record: record.pathname.startswith(_OURS))  # Orbax writes there, too
    getLogger("asyncio").setLevel(CRITICAL)
    report = sys.unraisablehook

    def report_others(found: "sys.UnraisableHookArgs") -> None:
        if str(found.exc_value) != "Event loop is closed":  # TensorStore's threads, when Orbax has given up
            report(found)

    sys.unraisablehook = report_others


def _nobody_reads() -> bool:
    """Whether the reader of standard output has gone, as `| head` does. What is printed from then on goes nowhere."""
    output = sys.stdout.fileno()
    asked = select.poll()
    asked.register(output, 0)
    gone = any(event & select.POLLERR for _, event in asked.poll(0))
    if gone:
        os.dup2(os.open(os.devnull, os.O_WRONLY), output)  # Python flushes once more when it ends
    return gone


def _refuse(reason: str) -> NoReturn:
    print(f"error: {words.printable(reason)}", file=sys.stderr)
    sys.exit(2)


def _place() -> str:
    """Where the program writes, as far as its flags say so."""
    values = flags.FLAGS.flag_values_dict()
    return next((f"--{name}={values[name]}" for name in ("workdir", "output") if values.get(name)), "")


def _config() -> Mapping[str, Any] | None:
    """The configuration of a training; None in a program without one."""
    config: Any = flags.FLAGS.flag_values_dict().get("config")
    return config.to_dict() if hasattr(config, "to_dict") else None


def collect_rarely() -> None:
    """Lets more objects come up between two searches for garbage in cycles.

    Imports and JAX's traces make millions of them and hardly any garbage: at Python's own threshold the searches are a
    fifth of the time to the demo's first training step.
    """
    gc.set_threshold(100_000, 10, 10)


def _parse(argv: Sequence[str], commands: Sequence[str] = ()) -> list[str]:
    try:
        rest = flags.FLAGS(argv)
        if "config" in flags.FLAGS and flags.FLAGS.config is not None:
            flags.FLAGS.config.to_dict()  # a file that did not load raises here, not in the middle of the run
    except UserError:
        raise
    except Exception as error:  # absl and ml_collections raise whatever fits them, down to AttributeError
        raise UserError(_one_line(str(error), argv)) from error
    if commands and (len(rest) < 2 or rest[1] not in commands):
        what = f"unknown command {rest[1]!r}" if len(rest) > 1 else "a command is missing"
        raise UserError(f"{what}; give one of {', '.join(commands)} before the flags")
    if len(rest) > 1 + bool(commands):
        unexpected = rest[1 + bool(commands)]
        raise UserError(f"unexpected argument {unexpected!r}; every option is a flag: --name=value")
    return rest


def _one_line(message: str, argv: Sequence[str]) -> str:
    """The part of a parser's message that helps: the flag, what is wrong with it, the nearest known one."""
    key = re.search(r"Did you mean \\?[\"'](\w+)\\?[\"'] instead of \\?[\"'](\w+)", message)
    near, wrong = (key.group(1), key.group(2)) if key else ("", re.sub(r"\W", "", message))
    for word in argv:
        flag = word.split("=")[0]
        if wrong and flag.startswith("--config.") and wrong in flag.split("."):
            guess = ".".join(near if part == wrong else part for part in flag.split("."))
            remedy = f"did you mean {guess}?" if near else "the configuration file lists the known ones"
            return f"unknown configuration key {flag}; {remedy}"
    deep = re.search(r"Attempting to lookup: ([\w.]+)", message)  # into a value, as if it were a dictionary
    if deep:
        return f"unknown configuration key --config.{deep.group(1)}; the configuration file lists the known ones"
    if "command line flag 'config." in message:
        return "--config.NAME=VALUE needs --config=FILE before it; for a first look: --config=configs/tsmu.py:demo"
    where = " ".join(word for word in argv[1:] if re.match(r"--?config(=|$)", word))
    if "Attempted [" in message:
        return f"{where}: no such configuration file"
    message = message.removeprefix("Configuration is not available because of an earlier failure to load: ").strip()
    if "Traceback" in message:  # raised inside of the configuration file: its last line says it all
        message = re.split(r"\w+(?:Error|Exception): ", message)[-1].strip()
    return message if not where or "flag" in message or "--" in message else f"{where}: {message}"


def _main_flags() -> str:
    return flags.FLAGS.main_module_help()
