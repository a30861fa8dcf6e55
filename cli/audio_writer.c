#include "audio_writer.h"

#include "audio_format.h"
#include "audio_input.h"
#include "pcm.h"
#include "report.h"
#include "spool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// libsndfile writes through these, so that no error of the system is lost

static sf_count_t get_length(void* user)
{
  const audio_writer* const writer = (const audio_writer*)user;
  struct stat               info;
  return fstat(writer->fd, &info) ? -1 : info.st_size;
}

static sf_count_t seek_to(sf_count_t offset, int whence, void* user)
{
  const audio_writer* const writer = (const audio_writer*)user;
  return lseek(writer->fd, offset, whence);
}

static sf_count_t read_back(void* data, sf_count_t size, void* user)
{
  const audio_writer* const writer = (const audio_writer*)user;
  return read(writer->fd, data, (size_t)size);
}

static sf_count_t write_out(const void* data, sf_count_t size, void* user)
{
  audio_writer* const writer = (audio_writer*)user;
  if (!write_all(writer->fd, data, (size_t)size)) {
    writer->code = writer->code ? writer->code : errno;
    return 0;
  }
  return size;
}

static sf_count_t tell(void* user)
{
  return seek_to(0, SEEK_CUR, user);
}

static SF_VIRTUAL_IO through_writer = {get_length, seek_to, read_back,
                                       write_out, tell};

/// Complain once about what went wrong, return false
static bool fail(audio_writer* writer)
{
  if (!writer->failed) {
    complain(writer->label, "cannot be written: %s",
             writer->code ? strerror(writer->code)
                          : sndfile_reason(writer->file));
  }
  writer->failed = true;
  return false;
}

bool audio_writer_open(audio_writer*  writer,
                       int            fd,
                       const char*    label,
                       const SF_INFO* info,
                       size_t         max_frames)
{
  memset(writer, 0, sizeof(*writer));
  writer->label      = label;
  writer->fd         = fd;
  writer->n_channels = info->channels;
  writer->bits       = audio_format_bits(info->format);
  writer->is_flac    = (info->format & SF_FORMAT_TYPEMASK) == SF_FORMAT_FLAC;
  if (writer->bits) {
    writer->integers =
      (int32_t*)calloc(max_frames * (size_t)info->channels, sizeof(int32_t));
    if (!writer->integers) {
      return complain(label, "%s", strerror(ENOMEM));
    }
  }

  SF_INFO own = *info;
  own.frames  = 0;
  sndfile_lock();
  writer->file = sf_open_virtual(&through_writer, SFM_WRITE, &own, writer);
  if (!writer->file) {
    fail(writer);
    free(writer->integers);
  }
  sndfile_unlock();
  return writer->file != NULL;
}

bool audio_writer_write(audio_writer* writer,
                        const double* samples,
                        size_t        n_frames)
{
  sf_count_t n_written = 0;
  if (writer->bits) {
    // libsndfile wants them in the upper bits
    pcm_round_block(samples, writer->bits, writer->integers,
                    n_frames * (size_t)writer->n_channels);
    n_written =
      sf_writef_int(writer->file, writer->integers, (sf_count_t)n_frames);
  } else {
    n_written = sf_writef_double(writer->file, samples, (sf_count_t)n_frames);
  }
  return (n_written == (sf_count_t)n_frames && !writer->code) || fail(writer);
}

bool audio_writer_close(audio_writer* writer)
{
  if (writer->is_flac) {
    // Without samples libsndfile would not write it
    sf_command(writer->file, SFC_UPDATE_HEADER_NOW, NULL, 0);
  }
  const int error = sf_close(writer->file);
  writer->file    = NULL;
  if (error || writer->code) {
    fail(writer);
  }
  free(writer->integers);
  return !writer->failed;
}
