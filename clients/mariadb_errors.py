"""Every error number of MariaDB that the project distinguishes: its kind and its cure.

Numbers below 2000 and above 3000 are the server's (https://mariadb.com/kb/en/mariadb-error-codes/), the others the
client library's. docs/mariadb-errors.md lists them all; a number that is missing here ends the run with code 70.
"""

from enum import Enum
from typing import NamedTuple


class Kind(Enum):
    """What an error means for whoever ran the statement."""

    CONFLICT = "the statement lost against another one: roll back and repeat it"
    LOST = "the connection is gone: connect again, then read the position"
    OUTAGE = "the server does not accept writes now: roll back and repeat later"
    REFUSED = "the user may not do this"
    UNPROVISIONED = "the database or a table is missing"
    SERVER = "a setting of the server is wrong"


class ServerError(NamedTuple):
    """The name that MariaDB gives to a number, its kind, and what a person does about it."""

    name: str
    kind: Kind
    cure: str = ""


_LOCKS = "SHOW PROCESSLIST names the connection that holds the rows"
_RUNNING = "is MariaDB running, and are MARIADB_HOST, MARIADB_PORT and MARIADB_TLS_CA right?"
_NETWORK = "look at the network between here and the server"
_CONNECTIONS = "raise the server's max_connections"
_USER_LIMIT = "raise the user's limit (ALTER USER … WITH MAX_USER_CONNECTIONS, MAX_QUERIES_PER_HOUR …)"
_DISK = "free space on the server's disk"
_READ_ONLY = "SET GLOBAL read_only = 0, or connect to the primary"
_MEMORY = "the server lacks memory, threads or file handles: look at its error log"
_LOCKED_SERVER = "end the FLUSH TABLES WITH READ LOCK or the backup that holds it"
_ACCOUNT = "check this user and its password, and the hosts it may connect from, or run python -m ops provision"
_PROVISION = "run python -m ops provision"

ERRORS: dict[int, ServerError] = {
    1020: ServerError("ER_CHECKREAD", Kind.CONFLICT, _LOCKS),
    1205: ServerError("ER_LOCK_WAIT_TIMEOUT", Kind.CONFLICT, _LOCKS),
    1213: ServerError("ER_LOCK_DEADLOCK", Kind.CONFLICT, _LOCKS),
    0: ServerError("no number: the client found the connection broken", Kind.LOST, _RUNNING),
    1040: ServerError("ER_CON_COUNT_ERROR", Kind.LOST, _CONNECTIONS),
    1053: ServerError("ER_SERVER_SHUTDOWN", Kind.LOST, _RUNNING),
    1077: ServerError("ER_NORMAL_SHUTDOWN", Kind.LOST, _RUNNING),
    1079: ServerError("ER_SHUTDOWN_COMPLETE", Kind.LOST, _RUNNING),
    1152: ServerError("ER_ABORTING_CONNECTION", Kind.LOST, _NETWORK),
    1156: ServerError("ER_NET_PACKETS_OUT_OF_ORDER", Kind.LOST, _NETWORK),
    1158: ServerError("ER_NET_READ_ERROR", Kind.LOST, _NETWORK),
    1159: ServerError("ER_NET_READ_INTERRUPTED", Kind.LOST, _NETWORK),
    1160: ServerError("ER_NET_ERROR_ON_WRITE", Kind.LOST, _NETWORK),
    1161: ServerError("ER_NET_WRITE_INTERRUPTED", Kind.LOST, _NETWORK),
    1180: ServerError("ER_ERROR_DURING_COMMIT", Kind.LOST, "the position shows whether the commit arrived"),
    1184: ServerError("ER_NEW_ABORTING_CONNECTION", Kind.LOST, _NETWORK),
    1203: ServerError("ER_TOO_MANY_USER_CONNECTIONS", Kind.LOST, _USER_LIMIT),
    1226: ServerError("ER_USER_LIMIT_REACHED", Kind.LOST, _USER_LIMIT),
    1317: ServerError("ER_QUERY_INTERRUPTED", Kind.LOST, "an administrator has killed the query"),
    1927: ServerError("ER_CONNECTION_KILLED", Kind.LOST, "an administrator or a time-out has killed the connection"),
    2002: ServerError("CR_CONNECTION_ERROR", Kind.LOST, _RUNNING),
    2003: ServerError("CR_CONN_HOST_ERROR", Kind.LOST, _RUNNING),
    2004: ServerError("CR_IPSOCK_ERROR", Kind.LOST, _RUNNING),
    2005: ServerError("CR_UNKNOWN_HOST", Kind.LOST, _RUNNING),
    2006: ServerError("CR_SERVER_GONE_ERROR", Kind.LOST, _RUNNING),
    2012: ServerError("CR_SERVER_HANDSHAKE_ERR", Kind.LOST, _NETWORK),
    2013: ServerError("CR_SERVER_LOST", Kind.LOST, _NETWORK),
    2026: ServerError("CR_SSL_CONNECTION_ERROR", Kind.LOST, _NETWORK),
    2027: ServerError("CR_MALFORMED_PACKET", Kind.LOST, _NETWORK),
    2055: ServerError("CR_SERVER_LOST_EXTENDED", Kind.LOST, _NETWORK),
    4031: ServerError("ER_CLIENT_INTERACTION_TIMEOUT", Kind.LOST, _NETWORK),
    5013: ServerError("CR_ERR_NET_READ", Kind.LOST, _NETWORK),
    5014: ServerError("CR_ERR_NET_WRITE", Kind.LOST, _NETWORK),
    5015: ServerError("CR_ERR_NET_UNCOMPRESS", Kind.LOST, _NETWORK),
    3: ServerError("EE_WRITE", Kind.OUTAGE, _DISK),
    1003: ServerError("ER_CANT_CREATE_FILE", Kind.OUTAGE, _DISK),
    1021: ServerError("ER_DISK_FULL", Kind.OUTAGE, _DISK),
    1026: ServerError("ER_ERROR_ON_WRITE", Kind.OUTAGE, _DISK),
    1030: ServerError("ER_GET_ERRNO", Kind.OUTAGE, "the storage engine has failed: look at the server's error log"),
    1037: ServerError("ER_OUTOFMEMORY", Kind.OUTAGE, _MEMORY),
    1038: ServerError("ER_OUT_OF_SORTMEMORY", Kind.OUTAGE, _MEMORY),
    1041: ServerError("ER_OUT_OF_RESOURCES", Kind.OUTAGE, _MEMORY),
    1047: ServerError("ER_UNKNOWN_COM_ERROR", Kind.OUTAGE, "this Galera node is not synchronized yet"),
    1114: ServerError("ER_RECORD_FILE_FULL", Kind.OUTAGE, _DISK),
    1135: ServerError("ER_CANT_CREATE_THREAD", Kind.OUTAGE, _MEMORY),
    1206: ServerError("ER_LOCK_TABLE_FULL", Kind.OUTAGE, _MEMORY),
    1223: ServerError("ER_CANT_UPDATE_WITH_READLOCK", Kind.OUTAGE, _LOCKED_SERVER),
    1290: ServerError("ER_OPTION_PREVENTS_STATEMENT", Kind.OUTAGE, _READ_ONLY),
    1637: ServerError("ER_TOO_MANY_CONCURRENT_TRXS", Kind.OUTAGE, _MEMORY),
    1792: ServerError("ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION", Kind.OUTAGE, _READ_ONLY),
    1836: ServerError("ER_READ_ONLY_MODE", Kind.OUTAGE, _READ_ONLY),
    1969: ServerError("ER_STATEMENT_TIMEOUT", Kind.OUTAGE, "look at the server's load and max_statement_time"),
    1044: ServerError("ER_DBACCESS_DENIED_ERROR", Kind.REFUSED, _ACCOUNT),
    1045: ServerError("ER_ACCESS_DENIED_ERROR", Kind.REFUSED, _ACCOUNT),
    1129: ServerError("ER_HOST_IS_BLOCKED", Kind.REFUSED, "run FLUSH HOSTS on the server"),
    1130: ServerError("ER_HOST_NOT_PRIVILEGED", Kind.REFUSED, _ACCOUNT),
    1142: ServerError("ER_TABLEACCESS_DENIED_ERROR", Kind.REFUSED, _ACCOUNT),
    1143: ServerError("ER_COLUMNACCESS_DENIED_ERROR", Kind.REFUSED, _ACCOUNT),
    1227: ServerError("ER_SPECIFIC_ACCESS_DENIED_ERROR", Kind.REFUSED, _ACCOUNT),
    1251: ServerError("ER_NOT_SUPPORTED_AUTH_MODE", Kind.REFUSED, _ACCOUNT),
    1370: ServerError("ER_PROCACCESS_DENIED_ERROR", Kind.REFUSED, _ACCOUNT),
    1524: ServerError("ER_PLUGIN_IS_NOT_LOADED", Kind.REFUSED, "the server lacks the user's authentication plugin"),
    1698: ServerError("ER_ACCESS_DENIED_NO_PASSWORD_ERROR", Kind.REFUSED, _ACCOUNT),
    1820: ServerError("ER_MUST_CHANGE_PASSWORD", Kind.REFUSED, "the user's password has expired: set a new one"),
    1862: ServerError("ER_MUST_CHANGE_PASSWORD_LOGIN", Kind.REFUSED, "the user's password has expired: set a new one"),
    2059: ServerError("CR_AUTH_PLUGIN_CANNOT_LOAD", Kind.REFUSED, _ACCOUNT),
    4151: ServerError("ER_ACCOUNT_HAS_BEEN_LOCKED", Kind.REFUSED, "ALTER USER … ACCOUNT UNLOCK"),
    1049: ServerError("ER_BAD_DB_ERROR", Kind.UNPROVISIONED, _PROVISION),
    1146: ServerError("ER_NO_SUCH_TABLE", Kind.UNPROVISIONED, _PROVISION),
    1153: ServerError("ER_NET_PACKET_TOO_LARGE", Kind.SERVER, "max_allowed_packet must be 1 MiB at least"),
    1665: ServerError("ER_BINLOG_STMT_MODE_AND_ROW_ENGINE", Kind.SERVER, "binlog_format must be ROW or MIXED"),
    3159: ServerError("ER_SECURE_TRANSPORT_REQUIRED", Kind.SERVER, "it requires TLS: set MARIADB_TLS_CA"),
}
