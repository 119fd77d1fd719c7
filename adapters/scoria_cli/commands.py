"""The commands, and their exit codes: 0 it holds, 1 it does not, 2 it could not be told."""

import signal
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module

import click

from scoria_cli.console import err_line, out_document
from scoria_cli.moves import missing, told
from scoria_core.errors import ScoriaError, safe_repr
from scoria_core.logs import logger_of

COMMANDS = {
    "demo": "Walk the guide's checklist through the demo host, and serve it.",
    "diagram": "Write the lifecycle of a run, step, approval or handoff.",
    "doctor": "Say which runs are stuck, and why.",
    "evidence": "Check and read the evidence that a store keeps.",
    "inbox": "List the requests that wait for a person, longest waiting first.",
    "migrate": "Bring the schema of a PostgreSQL store forward.",
    "notify": "Post what happens in a store to a URL, as signed CloudEvents.",
    "runs": "List runs, show one, and decide on it.",
    "serve": "Serve the evidence page of one tenant, without a login.",
    "verify": "Put a store or a host through the guide's checks.",
    "worker": "Carry out queued steps, and take over those of dead workers.",
}
"""What each command does. A command is the function NAME in the module `scoria_cli.NAME`."""

logger = logger_of("scoria.cli")


class Commands(click.Group):
    """Imports a command only when it is called: `diagram` needs no web framework, help nothing."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands."""
        return sorted(COMMANDS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what each command does."""
        # click itself would import every command to read its help.
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; if a library is missing, name the extra that brings it."""
        if cmd_name not in COMMANDS:
            # click would look for what is meant among the commands that are imported already.
            if meant := get_close_matches(cmd_name, COMMANDS, n=1):
                told = f"No such command {cmd_name!r}. Did you mean {meant[0]!r}?"
                raise click.UsageError(told, ctx)
            return None
        try:
            command: click.Command = getattr(import_module(f"scoria_cli.{cmd_name}"), cmd_name)
        except ModuleNotFoundError as error:
            raise click.UsageError(missing(error.name, cmd_name)) from error
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="scoria-kit", prog_name="scoria")
def scoria() -> None:
    """Durable AI runs that pause for a human.

    Exit codes: 0 it holds, 1 it does not, 2 bad usage or it could not be told.
    """


def run(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit code; a refusal is one line on stderr."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        return _code(scoria.main(list(arguments), prog_name="scoria", standalone_mode=False))
    except click.exceptions.NoArgsIsHelpError as error:
        out_document(f"{error.format_message()}\n")
        return 2
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "scoria"
        return _refuse(f"{error.format_message()} (see {command} --help)")
    except click.ClickException as error:
        return _refuse(error.format_message())
    except ScoriaError as error:
        return _refuse(f"{told(error)} [{error.code}]")
    except ModuleNotFoundError as error:
        return _refuse(missing(error.name))
    except (click.Abort, KeyboardInterrupt):
        return _refuse("stopped")
    except UnicodeEncodeError as error:  # Python could not read an argument
        refused = f"{safe_repr(error.object)} is no Unicode text here"
        return _refuse(f"{refused}; set PYTHONUTF8=1, or a locale such as C.UTF-8")
    except OSError as error:
        return _refuse(f"{error.strerror or error}: check the address, or the path, and try again")
    except Exception as error:
        logger.exception("this is a mistake of scoria, please report it")
        return _refuse(f"{type(error).__name__}: {error}")


def _stop(*_: object) -> None:
    """End as Ctrl-C does: servers stop, stores close, temporary directories are removed."""
    raise KeyboardInterrupt


def _code(returned: object) -> int:
    return returned if isinstance(returned, int) else 0


def _refuse(message: str) -> int:
    err_line(f"scoria: {' '.join(message.split())}")
    return 2
