"""What a model is told of a request: each as much as it can take."""

from attrs import frozen

from ..domain.crossing import brief, retold
from ..domain.generation import ArtifactPart, Message, Role, text_message
from ..domain.model import Model
from ..domain.parameters import ImageParameters, TextParameters
from .command import GenerateCommand


@frozen
class Told:
    """A request, and what its session tells with it."""

    command: GenerateCommand
    context: tuple[Message, ...] = ()

    def to(self, model: Model) -> tuple[tuple[Message, ...], tuple[ArtifactPart, ...]]:
        """A text model is told the conversation, any other one what it can begin with: words, and pictures.

        Raises:
            InvalidRequest: the model cannot begin with it.
        """
        command = self.command
        if isinstance(command.parameters, TextParameters):
            return retold((*self.context, *command.messages), model), ()
        edits = isinstance(command.parameters, ImageParameters) and command.parameters.strength is not None
        told = brief(self.context, command.messages, model, edits=edits)
        return (text_message(Role.USER, told.words),), told.pictures
