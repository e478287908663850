"""The SQLAlchemy dialect: SQLAlchemy's own SQLite dialect over tandemdb's driver.

    URL                                       store                                   connections (pool)
    sqlite+tandemdb://                        one of the engine's own                 one a thread   (ThreadPool)
    sqlite+tandemdb:///:memory:               the same                                one a thread   (ThreadPool)
    sqlite+tandemdb:///:memory:NAME           NAME, shared by the whole process       as many as asked for (QueuePool)
    sqlite+tandemdb:///file:NAME?mode=memory  the same                                as many as asked for (QueuePool)

    sqlite+aiotandemdb://...                  as above, for create_async_engine       (asynchronous.py)

`tandemdb://` may be written for `sqlite+tandemdb://`. The dialect's name stays `sqlite`, so that SQLAlchemy's
`insert().on_conflict_do_update`, Alembic's batch mode and an application's `dialect.name == "sqlite"` find what they
know.
"""

from tandemdb.dialect.asynchronous import AsyncTandemDialect
from tandemdb.dialect.pool import ThreadPool
from tandemdb.dialect.synchronous import TandemDialect

__all__ = ["AsyncTandemDialect", "TandemDialect", "ThreadPool"]
