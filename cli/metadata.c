#include "metadata.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/// Coding history and tag text that fit, in bytes
#define MAX_TEXT 15000

/// Chunks that are copied: libsndfile 1.2.0 limits a header to 100 KiB, and
/// writes past its list of chunks when there are more than 20
#define MAX_CHUNKS 16
#define MAX_CHUNK_BYTES 32768

typedef SF_BROADCAST_INFO_VAR(MAX_TEXT) broadcast_info;
typedef SF_CART_INFO_VAR(MAX_TEXT) cart_info;

static void copy_strings(SNDFILE* from, SNDFILE* to)
{
  for (int type = SF_STR_FIRST; type <= SF_STR_LAST; ++type) {
    const char* const text = sf_get_string(from, type);
    if (text) {
      sf_set_string(to, type, text);
    }
  }
}

static void copy_channel_map(SNDFILE* from, SNDFILE* to, int n_channels)
{
  const int  size = n_channels * (int)sizeof(int);
  int* const map  = (int*)malloc((size_t)size);
  if (map && sf_command(from, SFC_GET_CHANNEL_MAP_INFO, map, size)) {
    sf_command(to, SFC_SET_CHANNEL_MAP_INFO, map, size);
  }
  free(map);

  const int ambisonic = sf_command(from, SFC_WAVEX_GET_AMBISONIC, NULL, 0);
  if (ambisonic == SF_AMBISONIC_B_FORMAT) {
    sf_command(to, SFC_WAVEX_SET_AMBISONIC, NULL, ambisonic);
  }
}

static void copy_broadcast(SNDFILE* from, SNDFILE* to)
{
  broadcast_info broadcast;
  memset(&broadcast, 0, sizeof(broadcast));
  if (sf_command(from, SFC_GET_BROADCAST_INFO, &broadcast, sizeof(broadcast))) {
    if (broadcast.coding_history_size > MAX_TEXT) {
      broadcast.coding_history_size = MAX_TEXT;
    }
    sf_command(to, SFC_SET_BROADCAST_INFO, &broadcast, sizeof(broadcast));
  }

  cart_info cart;
  memset(&cart, 0, sizeof(cart));
  if (sf_command(from, SFC_GET_CART_INFO, &cart, sizeof(cart))) {
    if (cart.tag_text_size > MAX_TEXT) {
      cart.tag_text_size = MAX_TEXT;
    }
    sf_command(to, SFC_SET_CART_INFO, &cart, sizeof(cart));
  }
}

static void copy_cues(SNDFILE* from, SNDFILE* to)
{
  uint32_t n_cues = 0;
  if (!sf_command(from, SFC_GET_CUE_COUNT, &n_cues, sizeof(n_cues)) ||
      !n_cues || n_cues > 2500) {
    return;
  }
  const size_t size = offsetof(SF_CUES, cue_points) +
                      n_cues * sizeof(((SF_CUES*)0)->cue_points[0]);
  SF_CUES* const cues = (SF_CUES*)calloc(1, size);
  if (cues && sf_command(from, SFC_GET_CUE, cues, (int)size)) {
    sf_command(to, SFC_SET_CUE, cues, (int)size);
  }
  free(cues);
}

static void copy_instrument(SNDFILE* from, SNDFILE* to)
{
  SF_INSTRUMENT instrument;
  memset(&instrument, 0, sizeof(instrument));
  if (sf_command(from, SFC_GET_INSTRUMENT, &instrument, sizeof(instrument))) {
    sf_command(to, SFC_SET_INSTRUMENT, &instrument, sizeof(instrument));
  }
}

/// Return whether a chunk is one that libsndfile does not write itself
static bool is_foreign(const SF_CHUNK_INFO* chunk)
{
  static const char* const names[] = {"iXML", "axml", "acid",
                                      "id3 ", "ID3 ", "_PMX"};
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); ++i) {
    if (!memcmp(chunk->id, names[i], 4)) {
      return true;
    }
  }
  // Names of cue points; LIST chunks of other types are strings
  return !memcmp(chunk->id, "LIST", 4) && chunk->datalen >= 4 &&
         !memcmp(chunk->data, "adtl", 4);
}

/// Copy the chunk at an iterator; return the bytes that it takes, 0 if none
static size_t
copy_chunk(const SF_CHUNK_ITERATOR* iterator, SNDFILE* to, size_t max_bytes)
{
  SF_CHUNK_INFO chunk;
  memset(&chunk, 0, sizeof(chunk));
  if (sf_get_chunk_size(iterator, &chunk) ||
      (size_t)chunk.datalen + 3 > max_bytes) {
    return 0;
  }

  // libsndfile reads as far as the next multiple of 4 when it writes
  const unsigned padded = (chunk.datalen + 3) / 4 * 4;
  bool           copied = false;
  chunk.data            = calloc(1, padded ? padded : 4);
  if (chunk.data && !sf_get_chunk_data(iterator, &chunk) &&
      is_foreign(&chunk)) {
    chunk.datalen = padded;
    copied        = !sf_set_chunk(to, &chunk);
  }
  free(chunk.data);
  return copied ? padded : 0;
}

static void copy_chunks(SNDFILE* from, SNDFILE* to)
{
  size_t             n_chunks = 0;
  size_t             n_bytes  = 0;
  SF_CHUNK_ITERATOR* iterator = sf_get_chunk_iterator(from, NULL);
  while (iterator && n_chunks < MAX_CHUNKS) {
    const size_t copied = copy_chunk(iterator, to, MAX_CHUNK_BYTES - n_bytes);
    n_bytes += copied;
    n_chunks += copied > 0;
    iterator = sf_next_chunk_iterator(iterator);
  }
}

static bool is_wav(const SF_INFO* info)
{
  const int container = info->format & SF_FORMAT_TYPEMASK;
  return container == SF_FORMAT_WAV || container == SF_FORMAT_WAVEX ||
         container == SF_FORMAT_RF64;
}

void metadata_copy(SNDFILE* from, SNDFILE* to)
{
  SF_INFO in;
  SF_INFO out;
  memset(&in, 0, sizeof(in));
  memset(&out, 0, sizeof(out));
  sf_command(from, SFC_GET_CURRENT_SF_INFO, &in, sizeof(in));
  sf_command(to, SFC_GET_CURRENT_SF_INFO, &out, sizeof(out));

  copy_strings(from, to);
  copy_channel_map(from, to, in.channels);
  copy_broadcast(from, to);
  copy_cues(from, to);
  copy_instrument(from, to);
  if (is_wav(&in) && is_wav(&out)) {
    copy_chunks(from, to);
  }
}
