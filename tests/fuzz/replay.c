/* Runs a fuzz target over every file of a folder, without a fuzzer: what was once found stays
 * mended under any compiler. Fails when the folder holds no file. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <rekey/slice.h>

#define FILE_BYTES_MAX ((size_t)1 << 20)
#define PATH_BYTES_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The bytes stand alone in memory of their own size, so that sanitizers see a read past them. */
static int replay(const char *path, size_t size)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = malloc(size ? size : 1);
    int failed = 1;
    if (file && bytes && fread(bytes, 1, size, file) == size) {
        printf("%s\n", path);
        fflush(stdout); /* names the culprit if the target aborts */
        failed = LLVMFuzzerTestOneInput(bytes, size);
    }
    free(bytes);
    if (file)
        fclose(file);
    return failed;
}

/* How many files ran; -1 when one could not be read. */
static int replay_folder(DIR *folder, const char *folder_path)
{
    int ran = 0;
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        char path[PATH_BYTES_MAX];
        struct stat info;
        int length = snprintf(path, sizeof path, "%s/%s", folder_path, entry->d_name);
        if (length < 0 || (size_t)length >= sizeof path || stat(path, &info) != 0)
            return -1;
        if (!S_ISREG(info.st_mode))
            continue;
        if ((size_t)info.st_size > FILE_BYTES_MAX || replay(path, (size_t)info.st_size) != 0)
            return -1;
        ran++;
    }
    return ran;
}

int main(int argc, char **argv)
{
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
    if (!folder) {
        fprintf(stderr, "usage: %s FOLDER, which must exist\n", argc > 0 ? argv[0] : "replay");
        return 2;
    }
    int ran = replay_folder(folder, argv[1]);
    closedir(folder);
    printf("%d files\n", ran);
    return ran > 0 ? 0 : 1;
}
