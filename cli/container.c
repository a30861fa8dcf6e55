#include "container.h"

#include "report.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

/// How a container strings its chunks together; numbers are in bytes
typedef struct {
  char     magic[5];
  char     samples[5];    ///< Start of the name of the chunk of samples
  unsigned first;         ///< Offset of the first chunk
  unsigned name_size;     ///< Of the name of a chunk
  unsigned count_size;    ///< Of the size of a chunk
  unsigned alignment;     ///< Of chunks
  bool     big_endian;    ///< Order of the bytes of sizes
  bool     counts_header; ///< Sizes include name and size
} chunk_layout;

static const chunk_layout layouts[] = {
  {"RIFF", "data", 12, 4, 4, 2, false, false}, // WAV
  {"RIFX", "data", 12, 4, 4, 2, true, false},  // WAV, big-endian
  {"RF64", "data", 12, 4, 4, 2, false, false}, // sizes may be in a ds64 chunk
  {"riff", "data", 40, 16, 8, 8, false, true}, // W64: names are GUIDs
  {"FORM", "SSND", 12, 4, 4, 2, true, false},  // AIFF
  {"caff", "data", 8, 4, 8, 1, true, false},   // CAF
};

typedef struct {
  int         fd;
  const char* label;
  uint64_t    size; ///< Of the whole file
} file_view;

static uint64_t
read_number(const uint8_t* bytes, unsigned size, bool big_endian)
{
  uint64_t number = 0;
  for (unsigned i = 0; i < size; ++i) {
    number = (number << 8) | bytes[big_endian ? i : size - 1 - i];
  }
  return number;
}

static bool read_at(const file_view* file, uint64_t at, void* data, size_t size)
{
  return at + size <= file->size &&
         pread(file->fd, data, size, (off_t)at) == (ssize_t)size;
}

/// Return whether a size stands for "not known when the header was written"
static bool is_open_size(uint64_t size, unsigned count_size)
{
  if (count_size == 8) {
    return size == 0 || size >= (uint64_t)1 << 62;
  }
  // As written by ffmpeg; sox (WAV and AIFF); arecord
  return size == 0 || size >= 0xFFFFF000U ||
         (size >= 0x7FFFF000U && size <= 0x80001000U) ||
         (size >= 0x7F000000U && size <= 0x7F001000U);
}

static bool check_samples(const file_view* file, uint64_t start, uint64_t size)
{
  const uint64_t present = file->size - start;
  return size <= present ||
         complain(file->label,
                  "is truncated: %llu bytes of samples, its header promises "
                  "%llu",
                  (unsigned long long)present, (unsigned long long)size);
}

static bool check_chunks(const file_view* file, const chunk_layout* layout)
{
  const unsigned header_size = layout->name_size + layout->count_size;
  uint64_t       long_size   = 0; // of the samples, from a ds64 chunk
  uint64_t       at          = layout->first;
  uint8_t        header[24];
  while (read_at(file, at, header, header_size)) {
    uint64_t size = read_number(header + layout->name_size, layout->count_size,
                                layout->big_endian);
    if (layout->counts_header) {
      size = size > header_size ? size - header_size : 0;
    }
    at += header_size;
    if (!memcmp(header, layout->samples, 4)) {
      if (size == UINT32_MAX && !is_open_size(long_size, 8)) {
        size = long_size;
      } else if (is_open_size(size, layout->count_size)) {
        return true;
      }
      return check_samples(file, at, size);
    }
    uint8_t sizes[16]; // of the file and of the samples, 8 bytes each
    if (!memcmp(header, "ds64", 4) && read_at(file, at, sizes, sizeof(sizes))) {
      long_size = read_number(sizes + 8, 8, false);
    }
    if (size > file->size) {
      return true;
    }
    at +=
      (size + layout->alignment - 1) / layout->alignment * layout->alignment;
  }
  return true; // without samples: libsndfile tells what is wrong
}

/// AU: magic, offset of the samples, number of their bytes, big-endian
static bool check_au(const file_view* file)
{
  uint8_t numbers[8];
  if (!read_at(file, 4, numbers, sizeof(numbers))) {
    return true;
  }
  const uint64_t start = read_number(numbers, 4, true);
  const uint64_t size  = read_number(numbers + 4, 4, true);
  return start > file->size || is_open_size(size, 4) ||
         check_samples(file, start, size);
}

/// Return the size of the Ogg page at `page`, or 0 if its header is cut
static size_t ogg_page_size(const uint8_t* page, size_t size)
{
  if (size < 27 || size < 27 + (size_t)page[26]) {
    return 0;
  }
  size_t page_size = 27 + (size_t)page[26];
  for (unsigned i = 0; i < page[26]; ++i) {
    page_size += page[27 + i];
  }
  return page_size;
}

/// Ogg: the last page must end inside the file
static bool check_ogg(const file_view* file)
{
  uint8_t tail[65536]; // a page takes 65307 bytes at most

  const size_t size =
    file->size < sizeof(tail) ? (size_t)file->size : sizeof(tail);
  if (!read_at(file, file->size - size, tail, size)) {
    return true;
  }
  for (size_t at = size; at-- > 0;) {
    if (size - at >= 4 && !memcmp(tail + at, "OggS", 4)) {
      const size_t page_size = ogg_page_size(tail + at, size - at);
      return (page_size && page_size <= size - at) ||
             complain(file->label, "is truncated: its last page is cut short");
    }
  }
  return true;
}

bool container_is_complete(int fd, const char* label)
{
  struct stat info;
  char        magic[4];
  if (fstat(fd, &info)) {
    return true;
  }
  const file_view file = {fd, label, (uint64_t)info.st_size};
  if (!read_at(&file, 0, magic, sizeof(magic))) {
    return true;
  }
  if (!memcmp(magic, "OggS", 4)) {
    return check_ogg(&file);
  }
  if (!memcmp(magic, ".snd", 4)) {
    return check_au(&file);
  }
  for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); ++i) {
    if (!memcmp(magic, layouts[i].magic, 4)) {
      return check_chunks(&file, &layouts[i]);
    }
  }
  return true;
}
