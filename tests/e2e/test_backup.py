# SPDX-License-Identifier: Apache-2.0
"""`khtrace backup` of a running server, `khtrace restore`, and back again."""

from otlp import new_trace_id, send, span
from server import TEMPO, Server, run_khtrace


def test_backup_of_a_running_server_is_restored_whole(tmp_path):
    server = Server(tmp_path / "store", tmp_path / "log").start()
    before = [new_trace_id() for _ in range(20)]
    for trace_id in before:
        send(server, [span(trace_id)])
    code, out, err = run_khtrace("backup", tmp_path / "store",
                                 tmp_path / "backups")
    assert code == 0, out + err
    later = new_trace_id()
    send(server, [span(later)])
    server.stop()

    (backup,) = (tmp_path / "backups").iterdir()
    code, out, err = run_khtrace("restore", backup, tmp_path / "restored")
    assert code == 0, out + err
    assert "every checksum fits" in out
    restored = Server(tmp_path / "restored", tmp_path / "log2").start()
    for trace_id in before:
        path = f"/api/traces/{trace_id.hex()}"
        assert restored.get(TEMPO, path).status == 200
    assert restored.get(TEMPO, f"/api/traces/{later.hex()}").status == 404
    restored.stop()


def test_restore_refuses_a_directory_in_use_and_a_damaged_backup(tmp_path):
    server = Server(tmp_path / "store", tmp_path / "log").start()
    send(server, [span(new_trace_id())])
    server.stop()  # flushes: the backup holds a part
    code, out, err = run_khtrace("backup", tmp_path / "store",
                                 tmp_path / "backups")
    assert code == 0, out + err
    (backup,) = (tmp_path / "backups").iterdir()
    code, out, err = run_khtrace("restore", backup, tmp_path / "store")
    assert code == 1 and "not empty" in err
    (part,) = backup.rglob("*.part")
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 1
    part.unlink()
    part.write_bytes(content)
    code, out, err = run_khtrace("restore", backup, tmp_path / "new")
    assert code == 1 and part.name in err and "damaged" in err
    code, out, err = run_khtrace("serve", "--data-dir", tmp_path / "new")
    assert code != 0, "half a restore must not pass for a data directory"
