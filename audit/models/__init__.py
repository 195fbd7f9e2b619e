"""The rows of the ledger. The tables, triggers and grants are SQL: audit/sql/.

Django describes them here for reading and for the admin; it never makes or changes them. Some
tables carry a composite key in Postgres and a single-column one here, since the admin refuses
composite keys: an entry is known by its hash, an API key by its eight characters, a run and a
quarantined event by the number that Postgres gave it. An agent's id is its own within one ledger
only, so whoever asks for an agent names the ledger too.
"""

from audit.models.agents import Agent as Agent
from audit.models.agents import AgentDay as AgentDay
from audit.models.agents import AgentVersion as AgentVersion
from audit.models.agents import Projection as Projection
from audit.models.chain import Entry as Entry
from audit.models.chain import EntryQuerySet as EntryQuerySet
from audit.models.chain import EventKey as EventKey
from audit.models.chain import Head as Head
from audit.models.chain import Inbox as Inbox
from audit.models.chain import Ledger as Ledger
from audit.models.chain import Quarantine as Quarantine
from audit.models.exports import Destination as Destination
from audit.models.exports import Export as Export
from audit.models.fields import HashField as HashField
from audit.models.fields import HexHash as HexHash
from audit.models.keys import AgentKey as AgentKey
from audit.models.keys import AgentKeyQuerySet as AgentKeyQuerySet
from audit.models.keys import KeyUsage as KeyUsage
from audit.models.retention import Carry as Carry
from audit.models.retention import Hold as Hold
from audit.models.retention import Purge as Purge
from audit.models.retention import PurgeApproval as PurgeApproval
from audit.models.retention import PurgePlan as PurgePlan
from audit.models.retention import Retention as Retention
from audit.models.seals import Anchor as Anchor
from audit.models.seals import AnchorReceipt as AnchorReceipt
from audit.models.seals import CheckpointNote as CheckpointNote
from audit.models.seals import Cosignature as Cosignature
from audit.models.seals import Sealing as Sealing
from audit.models.seals import SigningKey as SigningKey
from audit.models.seals import Tile as Tile
from audit.models.subjects import Erasure as Erasure
from audit.models.subjects import SubjectEntry as SubjectEntry
from audit.models.subjects import SubjectKey as SubjectKey
from audit.models.verifications import Verification as Verification
