package passkey.accounts.tests

import com.fasterxml.jackson.databind.JsonNode
import java.io.File

/** Where the vectors lie: the folder tests/vectors of the repository. */
val VECTORS = File(System.getenv("PASSKEY_ACCOUNTS_VECTORS") ?: "../../../tests/vectors")

/** A conversation between a back end and the server in virtual time (tests/vectors/stream/README.md). */
data class Transcript(val header: JsonNode, val lines: List<Line>) {
    val role: String = header.path("role").asText()
    val subscription: JsonNode = header.path("subscription")
}

/** What happens, or what must. */
data class Line(
    val place: String,
    val kind: Char,
    val value: JsonNode,
    /** The text of a frame: the value as it stands in the file, byte for byte. */
    val frame: String,
    val t: Long,
    val within: LongRange?,
    val on: String,
    val isExact: Boolean,
) {
    /** The word of a `!` or `=` line, which is its value or the value's one member. */
    val word: String = if (value.isTextual) value.asText() else value.fieldNames().asSequence().firstOrNull().orEmpty()

    /** What the word's member holds. */
    val of: JsonNode = value.path(word)
}

/** Every transcript that is about a client. */
fun clientTranscripts(): List<Transcript> {
    val files = File(VECTORS, "stream").listFiles { file -> file.extension == "jsonl" }.orEmpty().sorted()
    return files.flatMap(::read).filter { it.role != "server" }
}

private fun read(file: File): List<Transcript> {
    val transcripts = mutableListOf<Pair<JsonNode, MutableList<Line>>>()
    file.readLines().forEachIndexed { index, source ->
        if (source.isBlank()) return@forEachIndexed
        val value = JSON.readTree(source)
        if (value.has("name")) transcripts.add(value to mutableListOf())
        else transcripts.last().second.add(line("${file.name}:${index + 1}", source, value))
    }
    return transcripts.map { (header, lines) -> Transcript(header, lines) }
}

private fun line(place: String, source: String, raw: JsonNode): Line {
    val kind = "><!=".first { raw.has(it.toString()) }
    val value = raw[kind.toString()]
    return Line(
        place,
        kind,
        value,
        frame = if (value.isTextual) value.asText() else textOf(source, kind),
        t = raw["t"].asLong(),
        within = raw.get("within")?.let { it[0].asLong()..it[1].asLong() },
        on = raw.path("on").asText("a"),
        isExact = raw.path("exact").asBoolean() || value.isTextual,
    )
}

/** The text of a member's value, which is an object or an array. */
private fun textOf(source: String, kind: Char): String {
    val start = source.indexOf(':', source.indexOf("\"$kind\"")) + 1
    var depth = 0
    var isString = false
    var at = start
    while (at < source.length) {
        val character = source[at]
        when {
            isString && character == '\\' -> at += 1
            character == '"' -> isString = !isString
            isString -> {}
            character == '{' || character == '[' -> depth += 1
            character == '}' || character == ']' -> {
                depth -= 1
                if (depth == 0) return source.substring(start, at + 1).trim()
            }
        }
        at += 1
    }
    return source.substring(start)
}

/** How what was said differs from what the line expects; `null` when it does not. */
fun difference(line: Line, said: Said): String? = when (said) {
    is Said.Frame ->
        if (line.isExact) "expected exactly ${line.frame}, was ${said.text}".takeIf { said.text != line.frame }
        else compare(line.value, JSON.readTree(said.text), "")
    is Said.Word -> {
        val (bounds, waits) = line.value.path("waiting") to said.value.path("waiting")
        if (!bounds.isArray || !waits.isNumber) compare(line.value, said.value, "")
        else "expected $bounds, was $waits".takeIf { waits.asLong() !in bounds[0].asLong()..bounds[1].asLong() }
    }
}

/** `"…"` matches anything; an object may have more members than were expected. */
private fun compare(expected: JsonNode, actual: JsonNode, path: String): String? = when {
    expected.isTextual && expected.asText() == "…" -> null
    expected.isObject && actual.isObject -> expected.properties().firstNotNullOfOrNull { (name, value) ->
        val found = actual.get(name) ?: return@firstNotNullOfOrNull "$path.$name: expected $value, was absent"
        compare(value, found, "$path.$name")
    }
    expected.isArray && actual.isArray && expected.size() == actual.size() ->
        expected.indices().firstNotNullOfOrNull { compare(expected[it], actual[it], "$path[$it]") }
    expected.isNumber && actual.isNumber && expected.decimalValue().compareTo(actual.decimalValue()) == 0 -> null
    expected == actual -> null
    else -> "$path: expected $expected, was $actual"
}

private fun JsonNode.indices() = 0 until size()
