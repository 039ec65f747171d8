"""What stands in environment variables because it must not stand in a file: keys, passwords, connection URLs."""

import os

from ..settings import Settings, SettingsError


def secret(variable: str, who: str) -> str:
    """What an environment variable holds; `who` begins the sentence that says it is not set.

    Raises:
        SettingsError: it is not set, or empty.
    """
    if not (value := os.environ.get(variable)):
        raise SettingsError(detail=f"{who} from the environment variable {variable}, which is not set.")
    return value


def database_url(settings: Settings) -> str:
    """Where the database of the sessions is.

    Raises:
        SettingsError: the variable that the settings name is not set.
    """
    return secret(settings.sessions.url_env or "", "The session store takes its connection URL")
