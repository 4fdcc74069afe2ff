"""SCXML documents are read as they are, and hostile ones are refused."""

import pytest
from tipman.statecharts import ChartError, Event, Log, Session, load_scxml, start, step

HEAD = '<scxml xmlns="http://www.w3.org/2005/07/scxml" version="1.0" datamodel="python"'


def test_a_document_runs():
    chart = load_scxml(
        f"""<?xml version="1.0" encoding="UTF-8"?>
        {HEAD} name="lamp">
          <datamodel><data id="times" expr="0"/><data id="kind">plain text</data></datamodel>
          <state id="off"><transition event="press" target="on"/></state>
          <state id="on">
            <onentry>
              <assign location="times" expr="times + 1"/>
              <if cond="times == 2"><log label="twice" expr="kind"/>
              <elseif cond="times == 1"/><log label="once"/>
              <else/><log label="more"/></if>
            </onentry>
            <transition event="press.*" target="off"/>
          </state>
        </scxml>"""
    )

    first = step(chart, start(chart).snapshot, "press")
    second = step(chart, step(chart, first.snapshot, "press.again").snapshot, Event("press"))

    assert chart.name == "lamp"
    assert first.effects == (Log("once"),)
    assert second.effects == (Log("twice", "plain text"),)


def test_a_bad_expression_is_an_error_event_when_it_is_reached():
    chart = load_scxml(
        f"""{HEAD}>
          <datamodel><data id="x"/></datamodel>
          <state id="a">
            <onentry><assign location="x" expr="return"/><log label="never"/></onentry>
            <transition event="error.execution" target="b"/>
          </state>
          <final id="b"/>
        </scxml>"""
    )

    taken = start(chart)

    assert taken.snapshot.done == ("b", None)
    assert [fault.pointer for fault in chart.warnings] == [
        "line 4: /scxml[1]/state[1]/onentry[1]/assign[1]/@expr"
    ]


def test_system_variables_come_from_the_session():
    chart = load_scxml(
        f"""{HEAD} name="n"><state id="a"><onentry>
          <log expr="[_sessionid, _name, _ioprocessors.scxml.location]"/>
        </onentry></state></scxml>"""
    )

    assert start(chart, session=Session("one")).effects == (
        Log(None, ["one", "n", "#_scxml_one"]),
    )


def test_late_data_is_set_on_first_entry_only():
    chart = load_scxml(
        f"""{HEAD} binding="late">
          <state id="a"><transition event="go" target="b"/></state>
          <state id="b">
            <datamodel><data id="n" expr="10"/></datamodel>
            <onentry><assign location="n" expr="n + 1"/></onentry>
            <transition event="go" target="a"/>
          </state>
        </scxml>"""
    )
    snapshot = start(chart).snapshot
    assert snapshot.data == {"n": None}

    for _ in range(3):
        snapshot = step(chart, snapshot, "go").snapshot

    assert snapshot.data == {"n": 12}


def test_states_without_an_id_have_steady_names():
    source = f'{HEAD}><state id="state_1"/><state><state/></state></scxml>'

    assert load_scxml(source).states == ("state_1", "state_2", "state_3")


def test_content_in_xml_stays_a_document():
    chart = load_scxml(
        f"""{HEAD}><state id="a"><onentry><send event="x"><content>
          <scxml initial="i"><final id="i"/></scxml>
        </content></send></onentry></state></scxml>"""
    )

    document = start(chart).effects[0].data

    assert start(load_scxml(document)).snapshot.done == ("i", None)


def test_a_source_is_fetched_only_where_the_host_allows_it():
    source = (
        f'{HEAD}><datamodel><data id="x" src="file:x.txt"/></datamodel><state id="a"/></scxml>'
    )

    fetched = load_scxml(source, fetch={"file:x.txt": "[1, 2]"}.__getitem__)
    refused = load_scxml(source)

    assert start(fetched).snapshot.data == {"x": [1, 2]}
    assert start(refused).snapshot.data == {"x": None}
    assert "can not be fetched here" in refused.warnings[0].detail


BOMB = (
    '<!DOCTYPE s [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'
    + HEAD
    + '><state id="&b;"/></scxml>'
)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (BOMB, "a document type declaration is not allowed"),
        (
            f'<!DOCTYPE s SYSTEM "file:///etc/passwd">{HEAD}><state id="a"/></scxml>',
            "a document type declaration is not allowed",
        ),
        (f"{HEAD}><state id='a'/>", "not well-formed"),
        (f"{HEAD}><state id='&nbsp;'/></scxml>", "not well-formed"),
        ("", "not well-formed"),
        ("<html/>", "the outermost element is <html>, not <scxml>"),
        (f"{HEAD}>{'<state>' * 300}{'</state>' * 300}</scxml>", "elements inside one another"),
        (f"{HEAD}>{'<state/>' * 100_001}</scxml>", "more than 100000 elements"),
        (f"{HEAD}>{'<state>' * 90}{'</state>' * 90}</scxml>", "states inside one another"),
        (" " * 5_000_000, "larger than"),
        (b"<?xml version='1.0' encoding='no-such'?><scxml/>", "not"),
        (b"\xff\xfe\x00", "not well-formed"),
    ],
)
def test_a_hostile_document_is_refused(source, reason):
    with pytest.raises(ChartError) as caught:
        load_scxml(source)

    assert reason in str(caught.value)
    assert caught.value.faults


def test_in_scxml_what_can_run_is_a_warning():
    chart = load_scxml(
        """<scxml xmlns="http://www.w3.org/2005/07/scxml">
             <state id="a"><transition event="go" cond="1 = 1" target="b"/></state>
             <state id="b"><onentry><foo/></onentry></state>
             <state id="c"/>
           </scxml>"""
    )

    told = {fault.pointer: fault.detail for fault in chart.warnings}
    assert "not an expression" in told["line 2: /scxml[1]/state[1]/transition[1]/@cond"]
    assert "<foo> can not be run" in told["line 3: /scxml[1]/state[2]/onentry[1]/foo[1]"]
    assert "can never be reached" in told["line 4: /scxml[1]/state[3]"]


@pytest.mark.parametrize(
    ("inside", "detail"),
    [
        ('<state id="a"><transition event="x" target="zz"/></state>', "no state is called 'zz'"),
        ('<state id="a"/><state id="a"/>', "the id 'a' is taken already"),
        (
            '<state id="a" initial="b"><state id="c"/></state><state id="b"/>',
            "does not lie inside",
        ),
        ("", "there is no state inside"),
    ],
)
def test_in_scxml_what_can_not_run_is_an_error(inside, detail):
    with pytest.raises(ChartError, match=detail):
        load_scxml(f'<scxml xmlns="http://www.w3.org/2005/07/scxml">{inside}</scxml>')


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('<send eventexpr="7"/>', "the name of an event must be a text"),
        ('<send event="x" type="smtp"/>', "nothing sends events of the type 'smtp'"),
        ('<send event="x" target="baz"/>', "'baz' is no target"),
        ('<send event="x" targetexpr="1"/>', "the target must be a text"),
        ('<send event="x" delay="soon"/>', "is no duration"),
        ('<send event="x" delayexpr="[1]"/>', "a delay must be a duration"),
        ('<send event="x" delayexpr="-1"/>', "out of range"),
        ('<send event="x" delay="1s" target="#_internal"/>', "takes no delayed events"),
        ('<send event="x" namelist="missing"/>', "the name 'missing' has no value"),
        ('<cancel sendidexpr="7"/>', "the id of a send must be a text"),
        ("<cancel/>", "cancel needs sendid"),
        ("<raise/>", "raise needs an event"),
        ('<foreach array="7" item="i"/>', "foreach wants a list"),
        ('<foreach item="i"/>', "foreach needs array and item"),
        ('<foreach array="[1]" item="i j"/>', "can not be the name of a variable"),
        ('<assign location="1x" expr="1"/>', "'1x' is no location"),
        ('<assign location="missing" expr="1"/>', "has no value to assign to"),
        ('<assign location="n.x" expr="1"/>', "leads through what is no object"),
        ("<script>import os</script>", "a script has lines"),
        ('<script src="x.py"/>', "a script is not fetched"),
        ("<launch/>", "can not be run"),
        ('<if cond="n.x"/>', "has no member"),
    ],
)
def test_content_that_can_not_be_run_becomes_an_error_event(content, reason):
    chart = load_scxml(
        f"""{HEAD}>
          <datamodel><data id="n" expr="0"/><data id="why"/></datamodel>
          <state id="a">
            <onentry>{content}</onentry>
            <transition event="error.execution" target="b">
              <assign location="why" expr="_event.data.detail"/>
            </transition>
          </state>
          <state id="b"/>
        </scxml>"""
    )

    taken = start(chart)

    assert taken.effects == ()
    assert reason in taken.snapshot.data["why"]


def test_a_parameter_that_fails_is_left_out():
    chart = load_scxml(
        f"""{HEAD}><state id="a"><onentry><send event="x">
          <param name="good" expr="1"/><param name="bad" expr="missing"/><param name="none"/>
        </send></onentry></state></scxml>"""
    )

    assert start(chart).effects[0].data == {"good": 1}


def test_an_empty_finalize_takes_back_what_was_passed():
    chart = load_scxml(
        f"""{HEAD}>
          <datamodel><data id="n" expr="1"/><data id="m" expr="2"/></datamodel>
          <state id="a">
            <invoke id="i" type="scxml" namelist="n"><param name="other" location="m"/><finalize/>
            </invoke>
          </state>
        </scxml>"""
    )
    snapshot = start(chart).snapshot

    unmoved = step(chart, snapshot, Event("x", "no object", invoke_id="i")).snapshot
    taken = step(chart, snapshot, Event("x", {"n": 7, "other": 8}, invoke_id="i")).snapshot

    assert unmoved.data == {"n": 1, "m": 2}
    assert taken.data == {"n": 7, "m": 8}


def test_what_can_not_be_invoked_becomes_an_error_event():
    chart = load_scxml(
        f"""{HEAD}>
          <state id="a">
            <invoke typeexpr="7"/>
            <transition event="error.execution" target="b"/>
          </state>
          <state id="b"/>
        </scxml>"""
    )

    assert chart.configuration(start(chart).snapshot) == "b"
