"""What schemathesis is told of this API beside its description: read by it, not run."""
import os

import schemathesis
from world import PROJECT

# Under which tokens every call must be refused; what anybody with a token may do is not among them.
REFUSED = os.environ.get("WARREN_REFUSED", "")
# What a token needs no permission for, and what is no project's thing.
FREE = {"getSelf", "getProject", "getOwnMembership", "callMany"}
# What is about no project that is named.
OWN = {"getSelf", "callMany"}
# The channels that the caller made in its own project: whoever names one of them, and no project, means that one.
MADE = set()


def name_of(case):
    """The operation's id."""
    return case.operation.definition.raw.get("operationId")


@schemathesis.check
def never_lets_in(ctx, response, case):
    """No call under such a token does anything, and items of a batch do not either."""
    if not REFUSED or case.method.upper() == "OPTIONS":
        return None
    if name_of(case) == "callMany":
        results = response.json()["data"]["results"] if response.status_code == 200 else []
        assert all(result["status"] >= 400 for result in results), f"an item of a batch was let in: {results}"
        return None
    path, names_other = case.operation.path, PROJECT in response.request.url
    channel = (case.path_parameters or {}).get("channel")
    if name_of(case) == "createNamedChannel" and not names_other and response.status_code < 300:
        MADE.add(channel)
    is_by_id = "{" in path and "{project}" not in path and channel not in MADE and name_of(case) != "createNamedChannel"
    # Whoever names no project, and nothing that is in one, means the token's own.
    if REFUSED == "foreign" and not names_other and not is_by_id:
        return None
    free = FREE if REFUSED == "powerless" else OWN
    is_open = not name_of(case) or name_of(case) in free or not path.startswith("/v1/")
    assert is_open or response.status_code >= 400, f"let in with {response.status_code}"
    return None


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """A path that lacks one of its parts is another one, which is nowhere, and says so."""
    lacks_one = any(part in ("", None) for part in (case.path_parameters or {}).values())
    return not (lacks_one and response.status_code == 404 and response.json()["error"]["code"] == "not_found")
