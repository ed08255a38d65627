"""The sandboxed side: a supervisor that reaps, and a worker that runs the user's code.

Run as a script, `python -P child.py REQUESTS REPLIES CONTROL ISOLATED [FORKS]` (three file
descriptors, 1 to leave network and write access behind, and a socket where programs are to be
forked in place of calls); standard library only. Messages are JSON objects, one a line, on
descriptors of their own, so that whatever the user's code prints can't disturb them.
"""

from __future__ import annotations

import ast
import contextlib
import difflib
import importlib
import inspect
import json
import os
import sys
import time
import traceback
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

FOLDER = str(Path(__file__).resolve().parents[1])
LIBRARY, PACKAGE = "_toyrl_child", "_toyrl_child.rewards"  # `..messages` is found as in toyrl
LAST_FRAMES = 4


def main(
    requests: int, replies: int, control: int, isolated: int, forks: int | None = None
) -> NoReturn:
    """Split into supervisor and worker."""
    for fd in (requests, replies, control):
        os.set_inheritable(fd, False)
    for name, folder in ((LIBRARY, str(Path(FOLDER).parent)), (PACKAGE, FOLDER)):
        package = types.ModuleType(name)
        package.__path__ = [folder]
        sys.modules[name] = package
    if isolated:
        refused = importlib.import_module(f"{PACKAGE}.sandbox.isolation").enter()
        if refused:
            os.write(replies, json.dumps({"refused": refused}).encode() + b"\n")
            os._exit(0)
    importlib.import_module(f"{PACKAGE}.sandbox.supervisor").split(requests, replies, control)
    if forks is not None:
        importlib.import_module(f"{PACKAGE}.sandbox.forks").serve(forks, replies)
    work(requests, replies)
    os._exit(0)


# -- worker ------------------------------------------------------------------------------------
class Worker:
    """Functions loaded so far, and the loop that serves requests."""

    def __init__(self, replies: int) -> None:
        self.replies = replies
        self.functions: dict[int, tuple[Any, Any]] = {}
        self.loop: Any = None
        self.signatures = importlib.import_module(f"{PACKAGE}.signatures")
        self.calling = importlib.import_module(f"{PACKAGE}.calling")
        self.places = importlib.import_module(f"{PACKAGE}.places")

    def send(self, message: dict[str, Any]) -> None:
        """One line to the library."""
        data = json.dumps(message).encode() + b"\n"
        while data:
            data = data[os.write(self.replies, data) :]

    def serve(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to one request; never raises."""
        try:
            return {"ok": getattr(self, f"on_{request['do']}")(request)}
        except (Exception, SystemExit) as error:
            return {"error": fault(error, self.signatures.Refusal, self.calling.UserRaised)}

    def on_load(self, request: dict[str, Any]) -> dict[str, Any]:
        """Import the user's module, find the name, make the factory's call, read the signature."""
        start = time.perf_counter()
        by_location = importlib.import_module(f"{PACKAGE}.sandbox.modules").by_location
        module = load_module(request, by_location, self.signatures.Refusal)
        managers = importlib.import_module(f"{PACKAGE}.managers")
        target = find(module, request, managers, self.signatures.Refusal)
        signature = self.signatures.recognise(target, request["label"], request["text"])
        self.functions[request["handle"]] = (target, signature)
        return {"signature": signature.to_dict(), "seconds": time.perf_counter() - start}

    def on_call(self, request: dict[str, Any]) -> dict[str, Any]:
        """Grade rows, in the main thread, another one, or a process of its own."""
        if request["where"] == "thread":
            return self.places.in_thread(lambda: self._graded(request))
        if request["where"] == "process":
            answer = self.places.in_process(lambda: self._forked(request))
            if "error" in answer:
                told = answer["error"]
                raise self.signatures.Refusal(
                    told["message"], told["kind"], told["row"], **told["detail"]
                )
            return answer["ok"]
        return self._graded(request)

    def _forked(self, request: dict[str, Any]) -> dict[str, Any]:
        self.loop = None  # an event loop belongs to the process that made it
        return self.serve({**request, "where": "main"})

    def _graded(self, request: dict[str, Any]) -> dict[str, Any]:
        function, signature = self.functions[request["handle"]]

        def tick(row: int) -> None:
            self.send({"id": request["id"], "tick": row})

        values, notes = self.calling.call(
            function, signature, request["rows"], request["chat"], tick=tick, wait=self.wait
        )
        return {"values": values, "notes": notes}

    def wait(self, results: list[Any]) -> list[Any]:
        """Run awaitables together, on one event loop that lives as long as the worker."""
        import asyncio

        if self.loop is None:
            self.loop = asyncio.new_event_loop()

        async def one(result: Any) -> Any:
            return await result if hasattr(result, "__await__") else result

        async def gather() -> list[Any]:
            return list(await asyncio.gather(*map(one, results)))

        return self.loop.run_until_complete(gather())


def work(requests: int, replies: int) -> None:
    """Serve requests until the library closes its end."""
    import faulthandler

    faulthandler.enable()
    worker = Worker(replies)
    me = os.getpid()
    worker.send({"pid": me})
    with os.fdopen(requests, "rb") as source:
        for line in source:
            request = json.loads(line)
            answer = worker.serve(request)
            if os.getpid() != me:
                os._exit(0)  # a fork made by the user's code has returned to our loop
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(Exception):
                    stream.flush()
            worker.send({"id": request["id"], **answer})


def fault(
    error: BaseException, refusal: type[Exception], user_raised: type[Exception]
) -> dict[str, Any]:
    """What an exception of a call or an import says, as the error that is sent."""
    if isinstance(error, refusal):
        told: Any = error
        return _error(told.kind, told.message, told.row, told.detail)
    if isinstance(error, user_raised):
        return _raised(error)
    if isinstance(error, SystemExit):
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
        return _error("exited", f"called sys.exit({error.code!r})", None, code=code)
    if isinstance(error, MemoryError):
        return _error("memory", "ran out of memory (MemoryError)")
    # an object whose len(), iteration or attributes raise
    message = f"can't be called, or what it returns can't be read: {_describe(error)}"
    return _error("raised", message, traceback=frames(error))


def _raised(wrapped: BaseException) -> dict[str, Any]:
    """What the user's code raised, with its own frames only."""
    cause = wrapped.__cause__
    assert cause is not None
    row = wrapped.args[0] if wrapped.args else None
    if isinstance(cause, MemoryError):
        return _error("memory", "ran out of memory (MemoryError)", row)
    message = f"raised {_describe(cause)}"
    return _error("raised", message, row, traceback=frames(cause), type=type(cause).__name__)


def _error(
    kind: str,
    message: str,
    row: int | None = None,
    detail: dict[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    return {"kind": kind, "message": message, "row": row, "detail": {**(detail or {}), **more}}


def _describe(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:
        text = "(its text can't be read)"
    text = text if len(text) <= 300 else text[:297] + "..."
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def frames(error: BaseException) -> str:
    """The author's last frames: ours and the import machinery's are left out."""
    with contextlib.suppress(Exception):
        steps = [
            s
            for s in traceback.extract_tb(error.__traceback__)
            if not s.filename.startswith((FOLDER + os.sep, "<frozen"))
            and f"{os.sep}asyncio{os.sep}" not in s.filename
        ]
        shown = traceback.format_list(steps[-LAST_FRAMES:])
        return "".join(shown)[-4000:] + _describe(error)
    return ""


# -- loading -----------------------------------------------------------------------------------
def load_module(
    request: dict[str, Any],
    by_location: Callable[[Path], types.ModuleType],
    refusal: Callable[..., Exception],
) -> types.ModuleType:
    """The user's module, by location or by dotted name."""
    cwd = str(Path.cwd())
    for folder in (str(Path(request["path"]).parent) if request["path"] else cwd, cwd):
        if folder not in sys.path:
            sys.path.append(folder)  # last, so that a neighbour can't replace a real package
    where = request["path"] or request["module"]
    try:
        if request["path"]:
            return by_location(Path(request["path"]))
        return importlib.import_module(request["module"])
    except SystemExit:
        raise
    except SyntaxError as error:
        line = "" if error.lineno is None else f", line {error.lineno}"  # none for NUL bytes
        msg = f"syntax error in {error.filename or where}{line}: {error.msg}"
        raise refusal(msg, "syntax", line=error.lineno, text=(error.text or "").strip()) from None
    except ModuleNotFoundError as error:
        wanted = request["module"]
        if not request["path"] and error.name and f"{wanted}.".startswith(f"{error.name}."):
            shown = importlib.import_module(f"{LIBRARY}.messages").shortened(error.name)
            msg = f"no module is called {shown}; install it, or name a file: my.py:NAME"
            raise refusal(msg, "not_found") from None
        msg = f"{where} needs the module {error.name!r}, which is not installed here"
        raise refusal(msg, "import_error", module=error.name, traceback=frames(error)) from None
    except BaseException as error:
        msg = f"{where} can't be imported: {_describe(error)}"
        raise refusal(msg, "import_error", traceback=frames(error)) from None


def find(
    module: types.ModuleType,
    request: dict[str, Any],
    managers: types.ModuleType,
    refusal: Callable[..., Exception],
) -> Any:
    """The named object, after the factory's call if one is written; of a manager's class one."""
    where, name = request["path"] or request["module"], request["name"]
    if not name:
        name = _only_function(module, where, refusal)
        request["label"] = f"{request['label']}:{name}"
    target: Any = module
    for part in name.split("."):
        try:
            target = getattr(target, part)
        except AttributeError:
            functions = ", ".join(_public(module)) or "none"
            near = difflib.get_close_matches(part, _public(module), n=1, cutoff=0.75)
            hint = f"did you mean {near[0]}? " if near else ""
            shown = importlib.import_module(f"{LIBRARY}.messages").shortened(name)
            msg = f"{where} has no {shown}; {hint}its functions: {functions}"
            raise refusal(msg, "not_found") from None
    manager = inspect.isclass(target) and managers.is_manager(target)
    if request["arguments"] is None and not manager:
        return target
    places, named = request["places"], request["arguments"] or {}
    label = f"{name}({', '.join([*places, *(f'{k}={v}' for k, v in named.items())])})"
    try:
        given = [*map(ast.literal_eval, places)]
        words = {k: ast.literal_eval(v) for k, v in named.items()}
        made = managers.made(target, given, words) if manager else target(*given, **words)
    except SystemExit:
        raise
    except BaseException as error:
        wrong_call = isinstance(error, TypeError)
        kind = "bad_signature" if wrong_call else "raised"
        msg = f"{label} raised {_describe(error)}" if wrong_call else f"raised {_describe(error)}"
        raise refusal(msg, kind, traceback=frames(error)) from None
    if not callable(managers.entry(made)):
        msg = f"{label} gives a {type(made).__name__}, not a function; leave the call out"
        raise refusal(msg, "bad_signature")
    return made


def _public(module: types.ModuleType) -> list[str]:
    own = getattr(module, "__all__", None) or [n for n in vars(module) if not n.startswith("_")]
    return [
        n
        for n in own
        if callable(getattr(module, n, None))
        and getattr(getattr(module, n), "__module__", None) == module.__name__
    ]


def _only_function(module: types.ModuleType, where: str, refusal: Callable[..., Exception]) -> str:
    names = _public(module)
    for usual in ("reward", "compute_score", "reward_func"):
        if usual in names:
            return usual
    functions = [n for n in names if not inspect.isclass(getattr(module, n))] or names
    if len(functions) == 1:  # a class beside it is what it takes or returns
        return functions[0]
    msg = f"{where} defines {len(names)} functions ({', '.join(names)}); name one: {where}:NAME"
    raise refusal(msg, "not_found")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
