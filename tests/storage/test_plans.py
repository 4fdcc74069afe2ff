"""How SQLite goes about what is asked at every start, whatever has settled long ago."""

from tipman.runtime import Engine

SCAN = "SCAN instance"


def test_no_start_goes_through_all_that_ever_lived(tmp_path):
    url = f"sqlite:///{tmp_path / 'tipman.db'}"
    Engine(url).start().close()
    engine = Engine(url).open()
    connection = engine.core.database.peewee.connection()
    asked = []

    connection.set_trace_callback(asked.append)
    engine.start()
    connection.set_trace_callback(None)
    scans = [
        (sql, detail)
        for sql in asked
        if sql.startswith("SELECT")
        for *_, detail in connection.execute(f"EXPLAIN QUERY PLAN {sql}")
        if detail.startswith(SCAN) and "INDEX" not in detail
    ]
    engine.close()

    assert asked
    assert not scans
