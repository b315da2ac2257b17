DROP TABLE seen_channels;
