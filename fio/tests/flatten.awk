# SPDX-License-Identifier: GPL-2.0-only
# fio's JSON, a line for each value:  jobs.0.read.io_bytes 4096
# Knows as much of JSON as fio writes: a line has one key or value.
function path(  i, p)
{
	for (i = 1; i <= depth; i++)
		p = p name[i] "."
	return p
}

{
	sub(/^[ \t]+/, "")
	sub(/,?[ \t]*$/, "")
	key = ""
	if (match($0, /^"[^"]*" : /)) {
		key = substr($0, 2, RLENGTH - 5)
		$0 = substr($0, RLENGTH + 1)
	}
}

# the whole, after what fio has said before it
!depth && /^\{$/ { depth = 1; name[1] = ""; started = 1; next }
!started { next }

/^[][{}]+$/ {
	if ($0 == "{" || $0 == "[") {
		if (key == "")
			key = count[depth]++
		name[++depth] = key
		count[depth] = 0
	} else if ($0 == "}" || $0 == "]")
		depth--
	next
}

{
	if (key == "")
		key = count[depth]++
	gsub(/^"|"$/, "")
	p = path() key
	sub(/^\.+/, "", p)
	print p " " $0
}
