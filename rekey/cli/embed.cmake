# Writes OUT, C source with the bytes of IN: cmake -DIN=... -DOUT=... -P embed.cmake
file(READ "${IN}" hex HEX)
string(LENGTH "${hex}" digits)
math(EXPR length "${digits} / 2")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
file(WRITE "${OUT}" "#include \"rekey/cli/demo_spec.h\"\nconst char rk_demo_spec[] = {${bytes}};\n"
                    "const size_t rk_demo_spec_len = ${length};\n")
