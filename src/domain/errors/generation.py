"""A provider or a runner failed while it worked on a request."""

from typing import ClassVar

from .gateway import GatewayError, Source


class GenerationFailed(GatewayError):
    """A provider or a runner failed while it worked on the request."""

    source: ClassVar[Source] = "provider"
    retryable = True
    falls_back = True


class ProviderAuthFailed(GenerationFailed):
    """The provider refused the gateway's own credentials; the operator has to mend this."""

    code = "provider_auth_failed"
    retryable = False


class ProviderQuotaExhausted(GenerationFailed):
    """The gateway's quota at the provider is used up."""

    code = "provider_quota_exhausted"
    retryable = False


class ProviderRateLimited(GenerationFailed):
    """The provider limits the rate of requests."""

    code = "provider_rate_limited"


class ProviderError(GenerationFailed):
    """The provider failed."""

    code = "provider_error"


class ProviderUnavailable(GenerationFailed):
    """The provider is not available."""

    code = "provider_unavailable"


class ProviderOverloaded(GenerationFailed):
    """The provider is overloaded."""

    code = "provider_overloaded"


class ProviderUnreachable(GenerationFailed):
    """No connection to the provider could be made."""

    code = "provider_unreachable"


class ProviderTimeout(GenerationFailed):
    """The provider did not answer in time."""

    code = "provider_timeout"


class ProviderBadResponse(GenerationFailed):
    """The provider's answer is not what its API promises."""

    code = "provider_bad_response"


class StreamInterrupted(GenerationFailed):
    """The output ended before it was complete."""

    code = "stream_interrupted"
    retryable = False
    falls_back = False


class Interrupted(GenerationFailed):
    """The service stopped while it worked on this; it was not begun again."""

    code = "interrupted"
    source = "gateway"
    falls_back = False


class RunnerBadOutput(GenerationFailed):
    """What the local model made is nothing that anybody could use; another seed may help."""

    code = "runner_bad_output"
    source = "runner"


class RunnerCrashed(GenerationFailed):
    """The local model's process ended while it worked; the next request starts it again."""

    code = "runner_crashed"
    source = "runner"


class RunnerOutOfMemory(GenerationFailed):
    """There is not enough memory for the local model."""

    code = "runner_out_of_memory"
    source = "runner"
