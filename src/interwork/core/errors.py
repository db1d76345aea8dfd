"""The error tree. A class says what the caller can do about it; the message says who, what and the state.

InterworkError
├── BadInput            mend the input and send it again                     400
│   ├── UnreadableDesign   the file is not a design this node can read       422
│   └── UnknownMaterial    name a material of the table                      422
├── NotFound            the id is unknown here                               404
├── Refused             a rule said no; `rule` and `remedy` say which, what  403
│   └── NotSignedIn     give a credential first                              401
├── WrongState          we asked for a step that the state does not allow    409
├── Conflict            somebody changed the record meanwhile; read it again 409
├── NoPlan              nobody can meet the need; `reasons` says why         422
├── LimitReached        a bound was hit; slow down or ask for less           429
├── PeerError           the other node answered wrongly (theirs, not ours)   502
│   └── PeerUnreachable    the other node did not answer; try again later    503
├── MachineUnreachable  the machine's link is down; it is retried            503
└── Unusable            this installation cannot go on until it is mended    500
    ├── PortInUse          another program has the port
    ├── NewerData          the data folder was written by a newer version
    ├── DiskFull           no space left; nothing acknowledged was lost      507
    └── Damaged            stored bytes or the event chain do not verify
"""


class InterworkError(Exception):
    """Every error of ours: `code` for programs, `status` for HTTP, `remedy` for people."""

    code = "error"
    status = 500
    retryable = False

    def __init__(self, message: str, *, remedy: str = "", where: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.where = where

    def __str__(self) -> str:
        """Say where, what, then the remedy, in one line."""
        head = f"{self.where}: {self.message}" if self.where else self.message
        return f"{head} {self.remedy}".strip()


class BadInput(InterworkError):
    """The input is wrong; mend it and send it again."""

    code, status = "bad-input", 400


class UnreadableDesign(BadInput):
    """The file is not a design this node can read."""

    code, status = "unreadable-design", 422


class UnknownMaterial(BadInput):
    """The material is not in the table."""

    code, status = "unknown-material", 422


class NotFound(InterworkError):
    """No record of that id is held here."""

    code, status = "not-found", 404


class Refused(InterworkError):
    """A rule said no; `rule` names it and `remedy` says what would satisfy it."""

    code, status = "refused", 403

    def __init__(self, message: str, *, rule: str = "", remedy: str = "", where: str = "") -> None:
        super().__init__(message, remedy=remedy, where=where)
        self.rule = rule


class NotSignedIn(Refused):
    """No usable credential was given."""

    code, status = "not-signed-in", 401


class WrongState(InterworkError):
    """The state does not allow the step."""

    code, status = "wrong-state", 409


class Conflict(InterworkError):
    """The record changed since it was read."""

    code, status = "conflict", 409


class NoPlan(InterworkError):
    """Nobody can meet the need; `reasons` lists each failed condition."""

    code, status = "no-plan", 422

    def __init__(self, message: str, *, reasons: tuple[str, ...] = (), remedy: str = "", where: str = "") -> None:
        super().__init__(message, remedy=remedy, where=where)
        self.reasons = reasons


class LimitReached(InterworkError):
    """A bound of size, rate or time was hit."""

    code, status = "limit-reached", 429


class PeerError(InterworkError):
    """The other node answered wrongly."""

    code, status = "peer-error", 502


class PeerUnreachable(PeerError):
    """The other node did not answer in time."""

    code, status, retryable = "peer-unreachable", 503, True


class MachineUnreachable(InterworkError):
    """The machine's link is down."""

    code, status, retryable = "machine-unreachable", 503, True


class Unusable(InterworkError):
    """The installation cannot go on until somebody mends it."""

    code = "unusable"


class PortInUse(Unusable):
    """Another program listens on the port."""

    code = "port-in-use"


class NewerData(Unusable):
    """The data folder was written by a newer version of the program."""

    code = "newer-data"


class DiskFull(Unusable):
    """No space is left on the volume; nothing acknowledged was lost."""

    code, status = "disk-full", 507


class Damaged(Unusable):
    """Stored bytes or the event chain do not verify."""

    code = "damaged"


def ours(fault: BaseException) -> InterworkError | None:
    """Find the error of ours in a fault, or in a group of faults that are all ours; None where something else is."""
    if isinstance(fault, InterworkError):
        return fault
    if not isinstance(fault, BaseExceptionGroup):
        return None
    found = [ours(one) for one in fault.exceptions]
    return None if None in found else found[0]
