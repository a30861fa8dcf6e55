/** @file
 * What an audio file says about itself.
 */
#ifndef CLI_METADATA_H
#define CLI_METADATA_H

#include <sndfile.h>

/**
 * Copy to a file without samples yet what it can hold of: title, artist and
 * the like; map of channels; broadcast and cart information; cue points;
 * instrument; and, from one WAV file to another, chunks such as iXML.
 */
void metadata_copy(SNDFILE* from, SNDFILE* to);

#endif /* CLI_METADATA_H */
