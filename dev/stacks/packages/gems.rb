# Packs gems that Debian has installed, and writes the index that Bundler reads.
require "fileutils"
require "rubygems/package"
require "rubygems/indexer"

target = "/srv/packages/gems"
FileUtils.mkdir_p("#{target}/gems")
%w[rack webrick].each do |name|
  spec = Gem::Specification.find_by_name(name).dup
  Dir.chdir(spec.full_gem_path) do
    spec.files = Dir["{lib,bin}/**/*"].select { |path| File.file?(path) }
    spec.extra_rdoc_files = []
    spec.test_files = []
    package = Gem::Package.build(spec, true)
    FileUtils.mv(package, "#{target}/gems/")
  end
end
Gem::Indexer.new(target, build_modern: true).generate_index
