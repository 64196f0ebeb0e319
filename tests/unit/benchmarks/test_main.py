from benchmarks.__main__ import main, names


def test_the_benchmarks_are_found_by_their_modules():
    assert "ingest" in names()


def test_an_unknown_benchmark_is_a_usage_error(capsys):
    assert main(["nonsense"]) == 2
    assert "nonsense" in capsys.readouterr().err
