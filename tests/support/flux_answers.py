"""Answers in Flux's dialect, made of a few cells: field `v`, tag `a`. Whole ones stand in tests/contracts/flux."""

T0 = 1_700_000_000_000
"""2023-11-14T22:13:20Z"""

HEAD = "#datatype,string,long,string,dateTime:RFC3339,{type},string\r\n#group,false,false,true,false,false,false\r\n"
HEAD += "#default,rows,,,,,\r\n,result,table,_field,_time,_value,a\r\n"
ERROR = "\r\n#datatype,string,string\r\n#group,true,true\r\n#default,,\r\n,error,reference\r\n,{words},\r\n"
ROW = ",,0,v,2023-11-14T22:13:20Z,{value},x\r\n"


def rows(*values: str, kind: str = "double") -> str:
    return HEAD.format(type=kind) + "".join(ROW.format(value=value) for value in values) + "\r\n"


def count(number: int, result: str = "count") -> str:
    head = f"#datatype,string,long,long\r\n#group,false,false,false\r\n#default,{result},,\r\n"
    return f"{head},result,table,_value\r\n,,0,{number}\r\n\r\n"


def partial(result: str, *cells: str, kind: str = "double", time_column: bool = False) -> str:
    """One result of an aggregate: rows of value, tag and, for the latest value, time."""
    types, names = ("dateTime:RFC3339,", "_time,") if time_column else ("", "")
    lines = [
        f"#datatype,string,long,{types}{kind},string",
        f"#group,false,false,{'false,' if types else ''}false,false",
        f"#default,{result},,{',' if types else ''},",
        f",result,table,{names}_value,a",
        *(f",,0,{cell}" for cell in cells),
    ]
    return "\r\n".join(lines) + "\r\n\r\n"


EMPTY = count(0)
