mod bench;
mod definitions;
mod people;
mod steps;
mod storm;
