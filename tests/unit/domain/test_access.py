"""What principals may do."""

import pytest

from pluggably.domain.access import LOCAL_OPERATOR, Principal, Scope
from pluggably.domain.errors import InsufficientScope


def test_who_lacks_a_scope_is_told_which_one():
    reader = Principal(id="ada", method="test", scopes=frozenset({Scope.MODELS_READ}))
    reader.require(Scope.MODELS_READ)
    with pytest.raises(InsufficientScope, match="'audit'"):
        reader.require(Scope.AUDIT)


def test_no_scope_includes_another():
    for scope in Scope:
        holder = Principal(id="ada", method="test", scopes=frozenset({scope}))
        for other in set(Scope) - {scope}:
            with pytest.raises(InsufficientScope):
                holder.require(other)


def test_the_operator_of_a_service_without_credentials_may_do_everything():
    for scope in Scope:
        LOCAL_OPERATOR.require(scope)
