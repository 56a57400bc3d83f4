"""Twilio's error codes that mean something to us: what is to blame, and what to do. Pure data.

Source: Twilio's "Error and Warning Dictionary". A code that is not here is judged by its HTTP status.
"""

from collections.abc import Mapping

from shared.model import RejectionScope

CODES: Mapping[int, tuple[RejectionScope, str]] = {
    20003: ("channel", "the secrets are wrong, or not (any longer) those of this account"),
    20005: ("channel", "the account is not active"),
    20006: ("channel", "the API key may not send messages"),
    20404: ("channel", "the secret 'account_sid' names no account that the credentials belong to"),
    21211: ("recipient", "correct the number in 'to'"),
    21212: ("channel", "correct 'from'"),
    21265: ("recipient", "a short code can't be texted"),
    21408: ("recipient", "allow the number's country in Twilio's console: Messaging, Geo permissions"),
    21602: ("payload", ""),
    21603: ("channel", "set 'from' or 'messaging_service_sid'"),
    21606: ("channel", "'from' is no number of the account that can send text messages"),
    21608: ("recipient", "a trial account can only text numbers that were verified"),
    21610: ("recipient", "they answered STOP: it is not texted before they answer START"),
    21612: ("recipient", "'from' can't reach this number"),
    21614: ("recipient", "the number is no mobile phone's"),
    21617: ("payload", ""),
    21619: ("payload", ""),
    21635: ("recipient", "the number is a landline's"),
    21659: ("channel", "'from' is no number of the account"),
    21660: ("channel", "'from' belongs to another account"),
    21701: ("channel", "correct 'messaging_service_sid'"),
    21703: ("channel", "the messaging service has no number to send from"),
    21704: ("channel", "the messaging service has no number to send from"),
    30002: ("channel", "the account is suspended"),
    30003: ("recipient", "the phone can't be reached"),
    30004: ("recipient", "the number, or its network, blocks messages"),
    30005: ("recipient", "nobody has this number"),
    30006: ("recipient", "the number is a landline's, or its network can't be reached"),
    30007: ("payload", "a network took it for spam"),
    30034: ("channel", "the number must be registered for A2P 10DLC"),
}
WAIT = frozenset({14107, 20429, 21611, 30001, 30022, 63038})
"""Too much at once, or a full queue: later it may work."""
