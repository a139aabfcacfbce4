"""Names of the messages between engine and front alone; no client ever sees one."""

PREFIX = "$/front/"
# The engine leaves, and has answered everything it has taken in.
BYE = PREFIX + "bye"
# The engine has taken a request in: if it dies now, that may be the cause.
TOOK = PREFIX + "took"
# A line of the log that was written on behalf of the front's client.
LOG = PREFIX + "log"
