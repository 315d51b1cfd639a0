# The move of bench/ between `mdb_dump -p` and `mdb_load`: rewrites the keys of a dump.
#
#     mdb_dump -p -s platform_data OLD | awk -f move.awk | mdb_load -s platform_data NEW
#
# A dump has a header, then a line with a key and a line with a value in turns. The print format is
# right for values without a backslash, which mdb_dump of LMDB 0.9.24 does not escape; the hex
# format is right for all values, and twice as long.
/^mapsize=/ { print "mapsize=68719476736"; next }
!inside { print; inside = /^HEADER=END/; next }
/^DATA=END/ { print; inside = 0; next }
!have { key = $0; have = 1; next }
{
    have = 0
    split(key, part, "#") # TENANT, the tenant, CONTRACT, the id
    from = index($0, "\"capsule_id\":\"")
    rest = substr($0, from + 14)
    if (part[3] == "CONTRACT" && from > 0)
        key = part[1] "#" part[2] "#CAPSULE#" substr(rest, 1, index(rest, "\"") - 1) "#" \
            part[3] "#" part[4]
    print key
    print $0
}
