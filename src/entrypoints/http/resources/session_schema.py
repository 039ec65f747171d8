"""What requests about sessions may say."""

from collections.abc import Mapping
from typing import Annotated, Literal

from attrs import field, frozen

from ....application.sessions import OpenSession
from ....domain.errors import InvalidRequest
from ....domain.model import Modality
from ....domain.parameters import Field
from ....domain.session import Changes, ContextPolicy, ContextStrategy, SessionStatus

MOST = 10**15
"""More events than there will ever be, and exact in every language's numbers."""


@frozen(kw_only=True)
class ContextToKeep:
    """How much of the conversation a turn is told of; what is left out stays in the session."""

    strategy: Annotated[ContextStrategy, Field("Which turns: all, the last ones, or as many as fit.")] = (
        ContextStrategy.FULL
    )
    limit: Annotated[
        int | None, Field("How many turns for `last_turns`, how many tokens for `token_budget`.", 1, 10_000_000)
    ] = None

    def policy(self) -> ContextPolicy:
        """As the domain has it.

        Raises:
            InvalidRequest: the limit is missing, or there is nothing that it could limit.
        """
        if (self.strategy is ContextStrategy.FULL) is not (self.limit is None):
            what = "must be given with" if self.limit is None else "must not be given with"
            raise InvalidRequest.at("/context/limit", f"{what} the strategy {self.strategy}")
        return ContextPolicy(self.strategy, self.limit)


@frozen(kw_only=True)
class SessionToOpen:
    """A session to open."""

    title: Annotated[str | None, Field("What people call it.", max_length=256)] = None
    instructions: Annotated[str | None, Field("The system message of its every turn.", max_length=65_536)] = None
    defaults: Annotated[Mapping[Modality, str], Field("For each modality, the model of turns that name none.")] = field(
        factory=dict
    )
    metadata: Annotated[Mapping[str, str], Field("Given back.", max_length=16)] = field(factory=dict)
    context: ContextToKeep | None = None
    continued_from: Annotated[
        str | None,
        Field("The session that this one goes on from: its settings are taken where none are given.", max_length=128),
    ] = None

    def command(self) -> OpenSession:
        """What is asked of the use case."""
        return OpenSession(
            title=self.title,
            instructions=self.instructions,
            defaults=self.defaults,
            metadata=self.metadata,
            context=self.context.policy() if self.context else None,
            continued_from=self.continued_from,
        )


@frozen(kw_only=True)
class SessionChanges:
    """What to change of a session; what is not named stays, `null` takes the title away."""

    title: Annotated[str | None, Field("What people call it.", max_length=256)] = None
    defaults: Annotated[
        Mapping[Modality, str] | None, Field("For each modality, the model of turns that name none.")
    ] = None
    metadata: Annotated[Mapping[str, str] | None, Field("Given back.", max_length=16)] = None
    context: ContextToKeep | None = None

    def changes(self) -> Changes:
        """What is asked of the use case."""
        context = self.context.policy() if self.context else None
        return Changes(title=self.title, defaults=self.defaults, metadata=self.metadata, context=context)


@frozen(kw_only=True)
class ForkFrom:
    """Where to fork."""

    at_version: Annotated[int | None, Field("The state after that many events; absent: as it is now.", 1, MOST)] = None


@frozen(kw_only=True)
class HoldFor:
    """Why a session must be kept."""

    reason: Annotated[str, Field("Why it must not be erased; shown to whoever tries.", max_length=1_024, min_length=1)]

    def given(self) -> str:
        """The reason.

        Raises:
            InvalidRequest: it says nothing.
        """
        if not self.reason.strip():
            raise InvalidRequest.at("/reason", "must say why the session has to be kept")
        return self.reason


@frozen(kw_only=True)
class SessionList:
    """Which sessions to list."""

    status: SessionStatus | None = None
    modality: Modality | None = None
    active_after: Annotated[str | None, Field("Only those active after that time, RFC 3339.")] = None
    metadata: Annotated[
        Mapping[str, str], Field("Only those with this metadata: `metadata.name=value`.", max_length=16)
    ] = field(factory=dict)
    limit: Annotated[int, Field("How many at most.", 1, 100)] = 20
    after: Annotated[str | None, Field("`next_after` of the page before.", max_length=512)] = None


@frozen(kw_only=True)
class TokenList:
    """How to list state tokens."""

    reveal: Annotated[
        Literal["true", "false"], Field("With the tokens themselves: needs the scope `audit:tokens`, and is recorded.")
    ] = "false"


@frozen(kw_only=True)
class AtVersion:
    """Which state of a session is meant."""

    version: Annotated[int | None, Field("The state after that many events.", 1, MOST)] = None
