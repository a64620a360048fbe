"""Pickles made to do harm, and broken ones, put together from instructions."""

from __future__ import annotations

import pickle
import struct

import numpy as np

U4, U8 = struct.Struct("<I"), struct.Struct("<Q")
# Whole numbers that differ by a multiple of it have one hash.
MODULUS = 2**61 - 1


def text(value: str) -> bytes:
    return b"X" + U4.pack(len(value.encode())) + value.encode()


def content(value: bytes) -> bytes:
    return b"B" + U4.pack(len(value)) + value


def called(module: str, name: str, *args: bytes) -> bytes:
    return f"c{module}\n{name}\n".encode() + b"(" + b"".join(args) + b"tR"


def torch_sequence(root: bytes, keys: bytes = b"]", storages: bytes = b"") -> bytes:
    """A torch file of the older format around a pickle of one's own."""
    head = [pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})]
    return b"".join([*head, b"\x80\x02" + root + b".", b"\x80\x02" + keys + b".", storages])


DTYPE = (
    called("numpy", "dtype", text("f4"), b"\x89\x88")
    + b"(K\x03"
    + text("<")
    + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
)
MADE = called("numpy.core.multiarray", "_reconstruct", b"cnumpy\nndarray\n", b"K\0\x85", content(b"b"))
REFERENCE = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("7") + text("cpu") + b"K\x06NtQ"
STORAGE = content(torch_sequence(REFERENCE, b"]" + text("7") + b"a", struct.pack("<q", 6) + bytes(24)))
LOADED = called("torch.storage", "_load_from_bytes", STORAGE)


def tensor(offset: bytes, size: bytes, stride: bytes, hooks: bytes = b"}", extra: bytes = b"") -> bytes:
    return called("torch._utils", "_rebuild_tensor_v2", LOADED, offset, size, stride, b"\x89", hooks, extra)


def array(shape: bytes, raw: bytes, dtype: bytes = DTYPE) -> bytes:
    return MADE + b"(K\x01" + shape + dtype + b"\x89" + raw + b"tb"


def run(command: str) -> bytes:
    return called("os", "system", text(command))


def hostile(touch: str) -> dict[str, tuple[bytes, str]]:
    """Name -> (pickle, what the message must say). `touch` is a shell command that leaves a trace."""
    system = run(touch)
    python = f"__import__('os').system({touch!r})"
    return {
        "os.system": (system, r"asks for os\.system, which is not data"),
        "os.system of a posix build": (called("posix", "system", text(touch)), r"posix\.system"),
        "os.system by STACK_GLOBAL": (text("os") + text("system") + b"\x93" + text(touch) + b"\x85R", r"os\.system"),
        "name put together through the memo": (
            text("os") + b"q\x00" + b"0" + text("system") + b"q\x010h\x00h\x01\x93" + text(touch) + b"\x85R",
            r"os\.system",
        ),
        "by INST": (b"(" + text(touch) + b"ios\nsystem\n", r"os\.system"),
        "by OBJ": (b"(cos\nsystem\n" + text(touch) + b"o", r"os\.system"),
        "OBJ of an admitted name": (b"(ccollections\nOrderedDict\no", "object of a class"),
        "NEWOBJ": (b"cnumpy\nndarray\nK\x03\x85\x81", "object of a class"),
        "NEWOBJ_EX": (b"cnumpy\nndarray\nK\x03\x85}\x92", "object of a class"),
        "INST of an admitted name": (b"(icollections\nOrderedDict\n", "object of a class"),
        "subprocess": (called("subprocess", "check_output", text(touch)), r"subprocess\.check_output"),
        "eval": (called("builtins", "eval", text(python)), r"builtins\.eval"),
        "eval of Python 2": (called("__builtin__", "eval", text(python)), r"__builtin__\.eval"),
        "exec": (called("builtins", "exec", text(python)), r"builtins\.exec"),
        "getattr": (called("builtins", "getattr", b"}" + text("pop")), r"builtins\.getattr"),
        "__import__": (called("builtins", "__import__", text("this")), r"builtins\.__import__"),
        "open": (called("builtins", "open", text("ran"), text("w")), r"builtins\.open"),
        "dotted name": (b"\x80\x04" + text("collections") + text("OrderedDict.fromkeys") + b"\x93", "fromkeys"),
        "module of an admitted name": (called("numpy", "load", text("x")), r"numpy\.load"),
        "name beside an admitted one": (
            called("torch.storage", "torch.load", text("x")),
            r"torch\.storage\.torch\.load",
        ),
        "torch.load": (called("torch", "load", text("x")), r"torch\.load"),
        "torch.jit": (called("torch.jit", "load", text("x")), r"torch\.jit\.load"),
        "numpy runstring": (called("numpy.testing", "runstring", text(python), b"}"), "runstring"),
        "functools.partial": (called("functools", "partial", system), "functools.partial"),
        "attrgetter": (called("operator", "attrgetter", text("system")), "operator.attrgetter"),
        "pickle in a pickle": (called("pickle", "loads", content(system)), "pickle.loads"),
        "codecs": (called("_codecs", "decode", content(b"x"), text("zlib")), "_codecs.decode"),
        "a codec that is not one of text": (called("_codecs", "encode", text("x"), text("punycode")), "Latin-1"),
        "copyreg": (called("copyreg", "_reconstructor", b"cnumpy\nndarray\nN"), "copyreg"),
        "another way in, in the bytes of a tensor": (
            called("torch.storage", "_load_from_bytes", content(torch_sequence(system))),
            r"bytes of a tensor: .*os\.system",
        ),
        "tensor bytes in tensor bytes": (
            called("torch.storage", "_load_from_bytes", content(torch_sequence(LOADED))),
            "asks for torch.storage._load_from_bytes",
        ),
        "tensor bytes that hold a list": (
            called("torch.storage", "_load_from_bytes", content(torch_sequence(b"]"))), "something else than a storage",
        ),
        "tensor bytes that hold a pickle": (
            called("torch.storage", "_load_from_bytes", content(b"N.")),
            "not a torch file",
        ),
        "call of text": (text("os.system") + text(touch) + b"\x85R", "not a name"),
        "call of a class that builds nothing": (called("numpy", "ndarray", b"K\x03"), "builds nothing"),
        "call of an array": (MADE + b")R", "builds nothing"),
        "call without a tuple": (b"ccollections\nOrderedDict\n]R", "tuple of arguments"),
        # attributes
        "state of a name": (
            b"ccollections\nOrderedDict\n" + b"}" + text("pop") + b"K\1sb",
            "sets the state of collections.OrderedDict",
        ),
        "slots of a name": (
            b"cnumpy\ndtype\nN}" + text("builder") + b"cnumpy\ndtype\ns\x86b",
            "sets the state of numpy.dtype",
        ),
        "slots of a dtype": (
            called("numpy", "dtype", text("f4"), b"\x89\x88") + b"N}" + text("dtype") + b"K\1s\x86b",
            "no plain dtype",
        ),
        "slots of an array": (MADE + b"N}" + text("array") + b"K\1s\x86b", "not .1, shape"),
        "state of a storage": (LOADED + b"}" + text("data") + b"K\1sb", "sets the state of a torch storage"),
        "state of a tensor": (tensor(b"K\0", b"K\6\x85", b"K\1\x85") + b"}b", "sets the state of a torch tensor"),
        "state of an element type": (b"ctorch\nFloatStorage\n}" + text("name") + b"K\1sb", "sets the state of an"),
        "attributes of a dict": (b"}}" + text("__class__") + b"K\1sb", "sets attributes of a dict"),
        "attributes of a list": (b"]}" + text("append") + b"K\1sb", "sets attributes of a list"),
        "attributes of text": (text("a") + b"}b", "sets attributes of a str"),
        # places outside
        "extension code": (b"\x82\x01", "extension codes"),
        "long extension code": (b"\x84\x01\0\0\0", "extension codes"),
        "persistent id": (b"Pos.system\n", "outside"),
        "persistent tuple": (text("storage") + b"\x85Q", "outside"),
        "buffer outside": (b"\x97", "buffers in another place"),
        # memory
        "memo number": (b"Nr\xff\xff\xff\xff", "memo number 4294967295"),
        "memo number in words": (b"Np99999999999999\n", "memo number"),
        "negative memo number": (b"Np-1\n", "memo number"),
        "length beyond the file": (b"B\xff\xff\xff\x7fab", "cut off"),
        "long length beyond the file": (b"\x8e" + U8.pack(2**63) + b"ab", "cut off"),
        "long text beyond the file": (b"\x8d" + U8.pack(2**40) + b"ab", "cut off"),
        "frame beyond the file": (b"\x80\x04\x95" + U8.pack(2**40) + b"N", "cut off inside a frame"),
        "negative length": (b"\x8b\xff\xff\xff\xffa", "cut off"),
        "endless number": (b"I" + b"9" * 5000 + b"\n", "more than 1000 letters"),
        "long number": (b"\x8b" + U4.pack(600) + b"a" * 600, "whole number of 600 bytes"),
        "number that is none": (b"Iseven\n", "not spelled as one"),
        "same bytes many times": (
            content(bytes(2**20)) + b"q\x000](" + called("numpy.core.numeric", "_frombuffer", b"h\0",
            DTYPE.replace(text("<"), text(">")), b"J\0\0\4\0\x85", text("C")) * 80 + b"e",
            "6 times its own size",
        ),
        # nesting
        "deep lists": (b"]" * 5000 + b"a" * 4999, "nested more than 64 deep"),
        "deep tuples": (b")" + b"\x85" * 20000, "nested more than 64 deep"),
        "deep dicts": ((b"}" + text("a")) * 300 + b"N" + b"s" * 300, "row 'a/a/.* nested more than 64 deep"),
        "deep tuple as key": (b"})" + b"\x85" * 20000 + b"Ns", "found tuple"),
        "doubling tuple as key": (b"})" + b"2\x86" * 60 + b"Ns", "found tuple"),
        "deep tuple in a set": (b"\x8f()" + b"\x85" * 20000 + b"\x90", "found tuple"),
        "list in itself": (b"]2a", "holds itself"),
        "dict in itself": (b"}q\0" + text("a") + b"h\0s", "row 'a': a container holds itself"),
        "list in itself through a tuple": (b"]q\0h\0\x85a", "holds itself"),
        "array in its own key": (b"}" + MADE + b"Ns", "found ArrayPart"),
        "list as key": (b"}]Ns", "found list"),
        "deep list met before at its inside": (
            b"](]" + b"".join(b"r" + U4.pack(k) + b"]j" + U4.pack(k) + b"a" for k in range(70)) + b"e",
            "nested more than 64 deep",
        ),
        "doubling list met before": (b"](" + b"]q\0" + b"]h\0aq\0" * 70 + b"e", "nested more than 64 deep"),
        "open marks": (b"(" * 10_000, "more than 256 marks"),
        "keys of one hash": (
            b"}(" + b"".join(b"\x8a\x0a" + (k * MODULUS).to_bytes(10, "little") + b"N" for k in range(1, 5_000)) + b"u",
            "beyond 2..61 - 2",
        ),
        "elements of one hash": (b"\x8f(\x8a\x08" + U8.pack(MODULUS) + b"\x90", "beyond 2..61 - 2"),
        "keys of one hash in tuples": (b"}\x8a\x08" + U8.pack(MODULUS) + b"\x85Ns", "beyond 2..61 - 2"),
        # stack
        "empty stack": (b"0", "not there"),
        "no mark": (b"t", "not there"),
        "values left over": (b"NN", "left over"),
        "mark left over": (b"(N", "left over"),
        "odd entries": (b"}(K\x01u", "not a dict"),
        "append to a tuple": (b")Na", "not a list"),
        "add to a list": (b"](K\x01\x90", "not a set"),
        "unknown value": (b"h\x07", "refers to its value 7"),
        "key twice": (b"}(K\1NK\1Nu", "occurs twice"),
        "unknown instruction": (b"\xff", "instruction 0xff"),
        "not UTF-8": (b"X\x01\0\0\0\xff", "not valid UTF-8"),
        "half a letter": (b"V\\ud800\n", "half a letter"),
        # arrays
        "array of objects": (pickle.dumps(np.array([{}], object), 2)[2:-1], "pickled Python objects"),
        "array of objects that run": (
            MADE + b"(K\x01K\1\x85" + called("numpy", "dtype", text("O8"), b"\x89\x88") + b"]" + system + b"atb",
            "pickled Python objects",
        ),
        "array of plain numbers given as a list": (array(b"K\1\x85", b"]" + b"K\1a"), "stored as list"),
        "structured array": (pickle.dumps(np.zeros(1, [("a", "i4")]), 2)[2:-1], "'V4' is not one of plain"),
        "array of times": (pickle.dumps(np.zeros(1, "M8[s]"), 2)[2:-1], "'M8' is not one of plain"),
        "long double": (pickle.dumps(np.zeros(1, np.longdouble), 2)[2:-1], "is not one of plain"),
        "dtype that is a program": (called("numpy", "dtype", text("f4,O"), b"\x89\x88"), "is not one of plain"),
        "dtype without byte order": (
            array(b"K\1\x85", content(bytes(4)), called("numpy", "dtype", text("f4"), b"\x89\x88")),
            "byte order",
        ),
        "dtype twice": (DTYPE + b"(K\x03" + text(">") + b"NNNK\xffK\xffK\0tb", "twice"),
        "array never filled": (MADE, "never receives its bytes"),
        "array filled twice": (array(b"K\1\x85", content(bytes(4))) + b"(K\x01tb", "twice"),
        "array with too few bytes": (
            array(b"K\2\x85", content(bytes(4))),
            "4 bytes, where float32 of shape .2,. makes 8",
        ),
        "array with too many bytes": (array(b"K\2\x85", content(bytes(12))), "12 bytes"),
        "negative shape": (array(b"J\xff\xff\xff\xff\x85", content(b"")), "not negative"),
        "shape of two negatives": (array(b"J\xfe\xff\xff\xffJ\xff\xff\xff\xff\x86", content(bytes(8))), "not negative"),
        "overflowing shape": (
            array(b"\x8a\x08" + U8.pack(2**61) + b"K\x08\x86", content(b"")),
            "larger than any memory",
        ),
        "overflowing empty shape": (
            array(b"\x8a\x08" + U8.pack(2**61) + b"K\0\x86", content(b"")),
            "larger than any memory",
        ),
        "shape of text": (array(text("a") + b"\x85", content(b"")), "shape"),
        "shape of 40 axes": (array(b"(" + b"K\1" * 40 + b"t", content(bytes(4))), "at most 32"),
        "another array class": (
            called("numpy.core.multiarray", "_reconstruct", b"cnumpy\nmatrix\n", b"K\0\x85", text("b")),
            "numpy.matrix",
        ),
        "truth value 7": (pickle.dumps(np.array([7], "u1"), 2)[2:-1].replace(b"u1", b"b1"), "other than 0 and 1"),
        "letter beyond Unicode": (pickle.dumps(np.array(["a"]), 2)[2:-1].replace(b"a\0\0\0", b"aaaa"), "no letters"),
        # tensors
        "storage too small": (tensor(b"K\0", b"K\7\x85", b"K\1\x85"), "element 7 of a storage of 6"),
        "offset beyond": (tensor(b"K\x06", b"K\1\x85", b"K\1\x85"), "element 7 of a storage of 6"),
        "stride beyond": (tensor(b"K\0", b"K\2\x85", b"K\6\x85"), "element 7 of a storage of 6"),
        "negative stride": (tensor(b"K\0", b"K\2\x85", b"J\xff\xff\xff\xff\x85"), "none is negative"),
        "negative offset": (tensor(b"J\xff\xff\xff\xff", b"K\2\x85", b"K\1\x85"), "none is negative"),
        "negative size": (tensor(b"K\0", b"J\xff\xff\xff\xff\x85", b"K\1\x85"), "none is negative"),
        "huge stride": (tensor(b"K\0", b"K\2\x85", b"\x8a\x08" + U8.pack(2**61) + b"\x85"), "of a storage of 6"),
        "tensor larger than memory": (
            tensor(b"K\0", b"\x8a\x08" + U8.pack(2**61) + b"\x85", b"K\0\x85"),
            "larger than any memory",
        ),
        "many tensors stretched a little": (
            b"](" + tensor(b"K\0", b"J\0\0\x40\0\x85", b"K\0\x85") * 9 + b"e",
            "6 times its own size",
        ),
        "stretched tensor": (tensor(b"K\0", b"J\xff\xff\xff\x7f\x85", b"K\0\x85"), "repeats a storage of 6"),
        "shape and strides unlike": (tensor(b"K\0", b"K\2K\3\x86", b"K\1\x85"), "equally many"),
        "hooks that run": (tensor(b"K\0", b"K\2\x85", b"K\1\x85", system), r"os\.system"),
        "hooks": (tensor(b"K\0", b"K\2\x85", b"K\1\x85", b"}K\1Ns"), "hooks"),
        "conjugation to be done": (
            tensor(b"K\0", b"K\2\x85", b"K\1\x85", b"}", b"}" + text("conj") + b"\x88s"),
            "conjugation",
        ),
        "tensor of no storage": (called("torch._utils", "_rebuild_tensor_v2", b"]K\0))\x89}"), "otherwise than torch"),
        "sparse tensor": (called("torch._utils", "_rebuild_sparse_tensor", b"N"), "_rebuild_sparse_tensor"),
        "storage of too few bytes": (LOADED.replace(b"K\x06Nt", b"K\x07Nt"), "not of the size"),
        "element type as data": (b"]cnumpy\nndarray\na", "row '0': the pickle holds numpy.ndarray, which is not data"),
    }  # fmt: skip
