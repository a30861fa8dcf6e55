/** @file
 * Audio files to read from.
 */
#ifndef CLI_AUDIO_INPUT_H
#define CLI_AUDIO_INPUT_H

#include <sndfile.h>
#include <stdbool.h>
#include <sys/types.h>

typedef struct {
  const char* label; ///< What messages call it
  SNDFILE*    file;
  SF_INFO     info; ///< `frames` is SF_COUNT_MAX when the header has no length
  mode_t      mode; ///< Permission bits of the file
} audio_input;

/**
 * Open an audio file, or complain and return false.
 *
 * A pipe is first stored in a temporary file; a file that is shorter than its
 * header promises is refused.
 *
 * @param path "-" is standard input; must live as long as the input.
 */
bool audio_input_open(audio_input* input, const char* path);

void audio_input_close(audio_input* input);

/**
 * Check that everything was read, `n_frames` in all, or complain and return
 * false.
 */
bool audio_input_check_end(const audio_input* input, sf_count_t n_frames);

/// Return whether `path` is an audio file that can be read, without complaints
bool is_audio_file(const char* path);

/// Hold while a file is opened and its error is read, which libsndfile keeps in
/// one place for all threads
void sndfile_lock(void);
void sndfile_unlock(void);

/// Return a message of libsndfile for `file`, or NULL for opening, as the end
/// of a sentence
const char* sndfile_reason(SNDFILE* file);

#endif /* CLI_AUDIO_INPUT_H */
