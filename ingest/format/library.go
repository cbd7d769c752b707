package format

import "strings"

// A library says where code stands that is not the user's own: the runtime's, the
// standard library's, and that of well-known frameworks and drivers.
type library struct {
	paths []string // what the path of a file contains
	files []string // how the path of a file begins
	names []string // how a function's qualified name begins
}

// has says whether a frame is of the library.
func (l *library) has(f *frame) bool {
	for _, p := range l.paths {
		if strings.Contains(f.file, p) {
			return true
		}
	}
	for _, p := range l.files {
		if strings.HasPrefix(f.file, p) {
			return true
		}
	}
	for _, p := range l.names {
		if strings.HasPrefix(f.function, p) {
			return true
		}
	}
	return false
}

var (
	pythonLibrary = library{
		paths: strings.Fields(`site-packages dist-packages /lib/python /lib64/python \Lib\ python3.zip <frozen <string> <__array_function__ /pypy`),
	}
	goLibrary = library{
		paths: strings.Fields(`/pkg/mod/ /vendor/ /usr/local/go/src/ /go/src/runtime/ /usr/lib/go @v _cgo_`),
	}
	// goRoots are the first elements of the standard library's import paths, whose
	// files may be anywhere.
	goRoots = setOf(`archive bufio bytes cmp compress container context crypto database debug embed encoding
		errors expvar flag fmt go hash html image index internal io iter log maps math mime net os path plugin reflect
		regexp runtime slices sort strconv strings structs sync syscall testing text time unicode unique unsafe vendor weak panic`)
	javaLibrary = library{
		names: strings.Fields(`java. javax. jakarta. jdk. sun. com.sun. oracle. kotlin. kotlinx. scala. akka. groovy. org.codehaus.groovy. clojure.
			org.springframework. org.apache. org.eclipse. org.hibernate. org.jboss. org.wildfly. io.undertow. io.quarkus. io.smallrye. io.vertx.
			io.micronaut. io.helidon. io.dropwizard. org.glassfish. play. io.netty. reactor. io.reactivex. rx. com.google. com.fasterxml.
			org.json. com.zaxxer. com.mchange. org.postgresql. com.mysql. org.mariadb. com.microsoft.sqlserver. org.h2. org.hsqldb. oracle.jdbc.
			com.mongodb. redis.clients. io.lettuce. org.redisson. com.datastax. org.elasticsearch. co.elastic. org.opensearch. com.rabbitmq.
			io.grpc. okhttp3. okio. retrofit2. feign. com.netflix. io.github.resilience4j. com.amazonaws. software.amazon. com.azure.
			io.opentelemetry. io.opentracing. io.micrometer. brave. zipkin2. ch.qos.logback. org.slf4j. org.aspectj. net.sf.cglib. net.bytebuddy.
			org.mybatis. org.jooq. org.flywaydb. liquibase. org.quartz. graphql. io.jsonwebtoken. org.thymeleaf. org.junit. org.mockito.
			org.testng. worker.org.gradle. org.gradle. javassist. cglib. jersey.repackaged. weblogic. com.ibm. com.hazelcast. org.ehcache. net.sf.ehcache.
			dev.failsafe. zio. cats. fs2. org.http4s. com.typesafe. com.zaxxer.hikari. org.keycloak. io.swagger. springfox.`),
	}
	// javaGenerated is in the names of classes that no one wrote.
	javaGenerated = strings.Fields(`$Proxy $$Lambda $$EnhancerBy $$FastClassBy $$SpringCGLIB$$ $HibernateProxy$ $ByteBuddy$ _$$_ GeneratedMethodAccessor GeneratedConstructorAccessor`)
	dotnetLibrary = library{
		names: strings.Fields(`System. Microsoft. MS. Internal. Mono. Windows. lambda_method Npgsql. MySql. MySqlConnector. Oracle. MongoDB. StackExchange.
			Newtonsoft. Serilog. NLog. log4net. Polly. MediatR. AutoMapper. FluentValidation. Autofac. Castle. Dapper. RabbitMQ. MassTransit. Confluent.
			Grpc. Google. Azure. Amazon. Elastic. OpenTelemetry. Swashbuckle. Yarp. Ocelot. Hangfire. Quartz. Refit. RestSharp. Kestrel. Steeltoe. DryIoc.`),
	}
	nodeLibrary = library{
		paths: strings.Fields(`node_modules /.yarn/ /.pnpm/ webpack/runtime`),
		files: strings.Fields(`node: internal/ <anonymous native evalmachine native: bootstrap_node.js module.js events.js net.js timers.js _http_ _stream_ domain.js deno: ext:`),
	}
	rubyLibrary = library{
		paths: strings.Fields(`/gems/ /lib/ruby/ /usr/lib/ruby vendor/bundle <internal: /rubygems/ /bundler/ (eval bin/bundle bin/rails bin/puma`),
	}
	phpLibrary = library{
		paths: strings.Fields(`/vendor/ /usr/share/php /pear/ /wp-includes/ phar://`),
		files: strings.Fields(`[internal`),
	}
	rustLibrary = library{
		paths: strings.Fields(`/rustc/ /.cargo/registry/ /.cargo/git/ /rustlib/ /registry/src/ ../sysdeps/ ../csu/ ../nptl/`),
		names: strings.Fields(`std:: core:: alloc:: <core:: <std:: <alloc:: <&dyn rust_begin_unwind __rust _rust __libc _start main test:: tokio:: <tokio:: hyper:: <hyper:: tower:: <tower::
			axum:: <axum:: actix_ <actix_ warp:: <warp:: futures <futures rayon tracing:: <tracing:: anyhow:: <anyhow:: <E_as_anyhow backtrace:: color_eyre:: eyre:: <eyre:: tonic:: <tonic:: h2:: reqwest:: sqlx serde`),
	}
	elixirLibrary = setOf(`elixir stdlib kernel erts compiler mix logger eex iex ex_unit crypto ssl public_key inets asn1 sasl phoenix phoenix_live_view phoenix_pubsub phoenix_html plug plug_cowboy plug_crypto
		cowboy cowlib ranch bandit thousand_island ecto ecto_sql postgrex myxql tds db_connection decimal jason poison telemetry hackney tesla finch mint castore gettext absinthe oban broadway gen_stage
		nimble_pool nimble_options swoosh bamboo timex httpoison poolboy redix amqp kafka_ex sentry opentelemetry`)
	luaLibrary = library{
		paths: strings.Fields(`/usr/share/lua /usr/local/share/lua /lualib/ /usr/local/openresty /openresty/ /luarocks/`),
		files: strings.Fields(`[C] [builtin @builtin (tail (...tail ?`),
	}
	perlLibrary = library{
		paths: strings.Fields(`/usr/share/perl /usr/lib/ /usr/local/share/perl /usr/local/lib/ /perl5/ /perllib/ /site_perl/ /vendor_perl/`),
		files: strings.Fields(`(eval`),
	}
	nativeLibrary = library{
		paths: strings.Fields(`../sysdeps/ ../csu/ ../nptl/ ../stdlib/ ../sysdep libsanitizer /usr/include/ /bits/ libc.so libstdc++ libpthread /usr/lib/ /lib/ libc_start`),
		names: strings.Fields(`__interceptor __libc_ __GI_ _start std:: __asan operator_new operator`),
	}
)

func setOf(s string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(s) {
		m[w] = true
	}
	return m
}

// goStandard says whether a function is of Go's standard library: example.com/x has a
// dot before its first slash, the standard library has none.
func goStandard(fn string) bool {
	root := fn
	if i := strings.IndexAny(root, "/."); i >= 0 {
		root = root[:i]
	}
	if slash := strings.IndexByte(fn, '/'); slash >= 0 && strings.Contains(fn[:slash], ".") {
		return false
	}
	return goRoots[root]
}

func goOwn(f *frame) bool { return !goStandard(f.function) && !goLibrary.has(f) }

func javaOwn(f *frame) bool {
	if javaLibrary.has(f) {
		return false
	}
	for _, g := range javaGenerated {
		if strings.Contains(f.function, g) {
			return false
		}
	}
	return true
}

func pythonOwn(f *frame) bool { return !pythonLibrary.has(f) }
func dotnetOwn(f *frame) bool { return !dotnetLibrary.has(f) }
func nodeOwn(f *frame) bool   { return f.file != "" && !nodeLibrary.has(f) }
func phpOwn(f *frame) bool    { return !phpLibrary.has(f) }
func rustOwn(f *frame) bool   { return !rustLibrary.has(f) }
func luaOwn(f *frame) bool    { return !luaLibrary.has(f) }
func perlOwn(f *frame) bool   { return !perlLibrary.has(f) }
func nativeOwn(f *frame) bool { return f.file != "" && !nativeLibrary.has(f) }

// rubyOwn: Rails writes "actionpack (7.0.4) lib/x.rb" for the code of gems.
func rubyOwn(f *frame) bool { return !rubyLibrary.has(f) && !strings.Contains(f.file, ") lib/") }

func elixirOwn(f *frame) bool { return f.file != "" && !elixirLibrary[f.app] }
