"""Options, codecs, keys of decorated functions; and that docs/packages.md says what is so."""

import ast
import dataclasses
import pathlib
import re
import unittest

import onefill
from onefill._naming import naming

ROOT = pathlib.Path(__file__).parents[3]


class TheOptions(unittest.TestCase):
    def test_out_of_bounds_is_refused(self):
        bad = [
            *({"wait": wait} for wait in (-1, 61, None, "1", True)),
            *({"lease": lease} for lease in (0, 5000)),
            *({name: 0} for name in ("ttl", "negative_ttl", "idle")),
            {"jitter": 101}, {"retries": -1}, {"retries": 1.5},
            {"on_error": "ignore"}, {"codec": "yaml"}, {"ttl": float("nan")},
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

    def test_sources_are_python_3_9(self):
        for path in (ROOT / "clients/python/src").rglob("*.py"):
            ast.parse(path.read_text(), feature_version=(3, 9))


class Codecs(unittest.TestCase):
    def test_each_gives_back_what_it_took(self):
        values = {"bytes": b"\x00\xff", "text": "grün", "json": {"a": [1, None]}, "pickle": {1: (2, 3)}}
        for name, value in values.items():
            codec = onefill.Options(codec=name).codec
            self.assertEqual(codec.decode(codec.encode(value)), value)

    def test_what_bytes_cannot_hold_is_named(self):
        with self.assertRaisesRegex(TypeError, "dict needs a codec"):
            onefill.Options().codec.encode({})

    def test_own_codec_is_taken(self):
        codec = onefill.Codec(lambda value: value.upper(), lambda text: text.lower())
        self.assertIs(onefill.Options(codec=codec).codec, codec)


class Naming(unittest.TestCase):
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
