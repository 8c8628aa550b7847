"""Options, serializers, keys of decorated functions; and that docs/packages.md says what is so."""

import ast
import dataclasses
import datetime
import decimal
import hashlib
import importlib.util
import pathlib
import re
import subprocess
import sys
import unittest
import uuid

import onefill
import redis
from onefill._naming import naming
from onefill._serializers import SERIALIZERS

ROOT = pathlib.Path(__file__).parents[3]


class TheOptions(unittest.TestCase):
    def test_out_of_bounds_is_refused(self):
        bad = [
            *({"wait": wait} for wait in (-1, 61, None, "1", True)),
            *({"lease": lease} for lease in (0, 5000)),
            *({name: 0} for name in ("ttl", "idle")),
            *({name: bad} for name in ("retries", "breaker") for bad in (-1, 1.5)),
            *({name: "ignore"} for name in ("on_error", "on_timeout")),
            {"jitter": 101}, {"serializer": "yaml"}, {"ttl": float("nan")}, {"breaker_pause": -1},
        ]
        for options in bad:
            with self.assertRaises(ValueError, msg=str(options)):
                onefill.Options(**options)
        with self.assertRaises(TypeError):
            onefill.Options(tll=1)

    def test_none_is_taken_where_it_means_something(self):
        onefill.Options(ttl=None, negative_ttl=None, grace=None, lease=None)

    def test_names_and_defaults_are_those_of_the_page(self):
        page = (ROOT / "docs/packages.md").read_text()
        rows = re.findall(r"^\| `(\w+)`[^|]*\| ([^|]*) \|", page, re.MULTILINE)
        shown = {name: default for name, default in rows}
        fields = {field.name: field.default for field in dataclasses.fields(onefill.Options)}
        said = {name: {None: "–", False: "false"}.get(default, str(default)) for name, default in fields.items()}
        self.assertEqual(shown, said)
        self.assertEqual(set(onefill.FillOptions.__annotations__), set(fields))

    def test_types_satisfy_mypy(self):
        if importlib.util.find_spec("mypy") is None or redis.VERSION < (6,):
            raise unittest.SkipTest("mypy is not installed, or would see another redis-py than this one")
        # Beside the interpreter, so that the next run needs not look at all of redis-py again.
        cache = pathlib.Path(sys.prefix) / "mypy_cache"
        command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--cache-dir", str(cache)]
        sources = ["src/onefill", "tests/typed.py"]
        ran = subprocess.run([*command, *sources], cwd=ROOT / "clients/python", capture_output=True, text=True)
        self.assertEqual((ran.stdout, ran.stderr), ("", ""))

    def test_sources_are_python_3_9(self):
        for path in (ROOT / "clients/python/src").rglob("*.py"):
            ast.parse(path.read_text(), feature_version=(3, 9))


class Serializers(unittest.TestCase):
    def test_each_gives_back_what_it_took(self):
        values = {"bytes": b"\x00\xff", "str": "grün", "json": {"a": [1, None]}, "pickle": {1: (2, 3)}}
        for name, value in {**values, "msgpack": {"a": [1, None, b"\x00", "grün"], 7: 1.5}}.items():
            serializer = onefill.Options(serializer=name).serializer
            self.assertEqual(serializer.decode(serializer.encode(value)), value)
        self.assertEqual(set(SERIALIZERS), {*values, "msgpack"})

    def test_json_is_chosen_for_who_chooses_none(self):
        self.assertEqual(onefill.Options().serializer.encode({"ü": [1]}), '{"ü":[1]}'.encode())

    def test_what_bytes_cannot_hold_is_named(self):
        with self.assertRaisesRegex(TypeError, "dict needs another serializer"):
            onefill.Options(serializer="bytes").serializer.encode({})

    def test_own_serializer_is_taken(self):
        serializer = onefill.Serializer(lambda value: value.upper(), lambda text: text.lower())
        self.assertIs(onefill.Options(serializer=serializer).serializer, serializer)


def user(user_id, lang="en", *more, **others): ...


class Naming(unittest.TestCase):
    def test_function_and_arguments_make_a_key_that_stays(self):
        key, name = naming(user), f"{__name__}.user"
        same = f'{name}(user_id=7,lang="en",more=[],others={{}})'
        self.assertEqual([key(7), key(user_id=7), key(7, "en")], [same] * 3)
        day = datetime.date(2026, 1, 2)
        found = key("7", None, 1.5, b"\xff", b={"y": 1, "x": True}, a=day)
        more = 'more=[1.5,{"bytes":"ff"}],others={"a":{"date":"2026-01-02"},"b":{"x":true,"y":1}}'
        self.assertEqual(found, f'{name}(user_id="7",lang=null,{more})')
        long = hashlib.sha256(f'user_id="{"x" * 300}",lang="en",more=[],others={{}}'.encode()).hexdigest()
        self.assertEqual(key("x" * 300), f"{name}({long})")

    def test_each_kind_of_argument_has_a_text(self):
        key = naming(lambda it: None)
        numbers = [decimal.Decimal("1.50"), uuid.UUID(int=7), datetime.datetime(2026, 1, 2, 3)]
        texts = ['{"Decimal":"1.50"}', f'{{"UUID":"{uuid.UUID(int=7)}"}}', '{"datetime":"2026-01-02T03:00:00"}']
        self.assertEqual([key(it).split("it=")[1] for it in numbers], [f"{text})" for text in texts])

    def test_argument_without_a_text_that_stays_wants_a_key(self):
        circle = []
        circle.append(circle)
        for it in (object(), {1, 2}, [object()], circle, {(1, 2): 3}):
            with self.assertRaisesRegex(TypeError, "needs key=|keys must be str"):
                naming(lambda it: None)(it)

    def test_method_wants_a_key(self):
        class Shop:
            def user(self, user_id): ...

        with self.assertRaisesRegex(TypeError, "argument self is, or holds, a Shop"):
            naming(Shop.user)(Shop(), 7)

    def test_template_takes_arguments_however_they_are_given(self):
        def user(user_id, lang="en"): ...

        key = naming(user, "user:{user_id}:{lang}")
        self.assertEqual([key(7), key(user_id=7), key(7, lang="de")], ["user:7:en", "user:7:en", "user:7:de"])

    def test_function_is_a_key_too(self):
        self.assertEqual(naming(len, lambda text: f"text:{text}")("a"), "text:a")

    def test_template_with_unknown_names_is_refused(self):
        for key in ("user:{id}", "user:{}", "user:{0}"):
            with self.assertRaisesRegex(TypeError, "no argument of"):
                naming(lambda user_id: None, key)
